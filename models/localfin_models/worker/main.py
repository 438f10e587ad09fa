"""The first module of a worker process. Whatever a library prints goes to stderr: the pipes are put away first."""

import os
import sys


def put_pipes_away() -> tuple[int, int]:
    """Move stdin and stdout to descriptors that nobody else knows; 0 becomes empty, 1 becomes stderr."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests, answers


if __name__ == "__main__":
    _REQUESTS, _ANSWERS = put_pipes_away()
    from localfin_models.worker.child import main

    main(sys.argv[1], _REQUESTS, _ANSWERS)
