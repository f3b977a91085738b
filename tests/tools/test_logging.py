"""torch._logging: levels of loggers, artifacts, warnings given once."""

import logging

import pytest

import rushlight as torch
from rushlight._logging import getArtifactLogger, set_logs, warning_once


@pytest.fixture(autouse=True)
def _levels():
    yield
    set_logs()


def levels(*names):
    return [logging.getLogger(name).level for name in names]


def test_levels_begin_anew_with_every_call():
    set_logs(dynamo=logging.DEBUG, inductor=logging.INFO)
    assert levels("torch", "torch._dynamo", "torch._inductor") == [30, 10, 20]
    set_logs(all=logging.ERROR, graph_code=True, modules={"json": logging.DEBUG})
    assert levels("torch", "torch._dynamo", "torch._inductor", "json") == [40, 0, 0, 10]
    torch._logging.set_logs()
    assert levels("torch", "torch._dynamo", "json") == [30, 0, 0]


def test_what_is_refused_changes_nothing():
    set_logs(dynamo=logging.DEBUG)
    for settings, kind, words in (
        ({"nope": True}, TypeError, "unexpected keyword argument 'nope'"),
        ({"inductor": "x"}, ValueError, "Unrecognized log level for log inductor: x"),
        ({"graph": 3}, ValueError, "Expected bool to enable artifact graph"),
        ({"modules": {"no_such_module_at_all": 10}}, ModuleNotFoundError, "no_such_module"),
    ):
        with pytest.raises(kind, match=words):
            set_logs(**settings)
    assert levels("torch._dynamo") == [10]


def test_artifacts_and_warnings(caplog):
    assert getArtifactLogger("torch._dynamo", "graph").name == "torch._dynamo.__graph"
    with pytest.raises(ValueError, match="not registered"):
        getArtifactLogger("torch._dynamo", "nope")
    log = logging.getLogger("rushlight.tests.once")
    for _ in range(2):
        warning_once(log, "said %s", "once")
    assert [r.getMessage() for r in caplog.records] == ["said once"]
