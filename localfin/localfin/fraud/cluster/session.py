"""A Spark session for a master, set so that its answers do not depend on where it runs. It reads nothing."""

import os
import re
import shutil
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from localfin.fraud.cluster.spark import Spark, package
from localfin_models.errors import LocalfinError
from localfin_models.language import _

_MASTER = re.compile(r"local(\[(\d{1,3}|\*)\])?|spark://\S+|k8s://\S+|yarn")


def is_master(text: str) -> bool:
    """Whether `text` names a Spark master: local, local[2], spark://host:7077, yarn or k8s://…"""
    return _MASTER.fullmatch(text) is not None


@contextmanager
def session(master: str) -> Generator[Spark]:
    """A session that ends with the block. Raises LocalfinError without pyspark, Java or an answer from the master."""
    if not is_master(master):
        raise ValueError(master)
    builder = _builder(master)
    message = _("Spark did not start at {master}: {reason}").replace("{master}", master)
    with failing(LocalfinError, message), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas' version, which is not used here
        spark = cast(Spark, builder.getOrCreate())
    try:
        yield spark
    finally:
        spark.stop()


@contextmanager
def failing(kind: type[LocalfinError], message: str) -> Generator[None]:
    """Turns what Spark or Java raises into `kind`, with the first line of it as the message's `{reason}`."""
    raised = (package("pyspark.errors").PySparkException, package("py4j.protocol").Py4JError)
    try:
        yield
    except raised as error:
        java = getattr(error, "java_exception", None)
        text = str(error if java is None else java.getMessage()).strip()
        reason = next(iter(text.splitlines()), type(error).__name__)[:300]
        raise kind(message.replace("{reason}", reason)) from error


def _builder(master: str) -> Any:
    package("pyarrow")  # in which Spark's results come
    builder = package("pyspark.sql").SparkSession.builder.master(master).appName("localfin")
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=str(Path(home) / "bin") if home else None) is None:
        raise LocalfinError(_("Spark needs Java 17 or later, which is not on this machine (set JAVA_HOME)"))
    for name, value in _settings(master).items():
        builder = builder.config(name, value)
    return builder


def _settings(master: str) -> dict[str, str]:
    always = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        # pandas wrote times in nanoseconds for years, which Spark reads as numbers or not at all.
        "spark.sql.legacy.parquet.nanosAsLong": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
        "spark.log.level": "OFF",
    }
    if not master.startswith("local"):
        return always
    here = "127.0.0.1"
    return {**always, "spark.driver.host": here, "spark.driver.bindAddress": here, "spark.sql.shuffle.partitions": "4"}
