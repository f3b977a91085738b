"""Hyperparameters and the metrics that they led to."""

from __future__ import annotations

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DataType,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
    Status,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)

from ... import Tensor
from ._convert_np import make_np

# Python types, in the order in which they are tried, and TensorBoard's.
_TYPES = (
    ((int, float, Tensor), DataType.DATA_TYPE_FLOAT64, "number_value"),
    (str, DataType.DATA_TYPE_STRING, "string_value"),
)


def _check(hparam_dict, metric_dict, domains) -> None:
    if not isinstance(hparam_dict, dict):
        raise TypeError("parameter: hparam_dict should be a dictionary, nothing logged.")
    if not isinstance(metric_dict, dict):
        raise TypeError("parameter: metric_dict should be a dictionary, nothing logged.")
    if not isinstance(domains, dict):
        raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
    for key, choices in domains.items():
        if key not in hparam_dict or not isinstance(choices, list):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{key}] should be a list of values of a "
                "hyperparameter."
            )
        if not all(isinstance(choice, type(hparam_dict[key])) for choice in choices):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{key}] should be a list of same type as "
                f"hparam_dict[{key}]."
            )


def _tell(tag: str, data: HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=tag, metadata=about)])


def hparams(hparam_dict=None, metric_dict=None, hparam_domain_discrete=None):
    """Three summaries: the experiment, the start of a session with its values, its end."""
    hparam_dict = hparam_dict or {}
    metric_dict = metric_dict or {}
    domains = hparam_domain_discrete or {}
    _check(hparam_dict, metric_dict, domains)
    start = SessionStartInfo()
    infos = []
    for key, value in hparam_dict.items():
        if value is None:
            continue
        found = [(kind, field) for types, kind, field in _TYPES if isinstance(value, types)]
        if not found:
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        kind, field = found[0]
        plain = make_np(value).reshape(-1)[0] if isinstance(value, Tensor) else value
        setattr(start.hparams[key], field, plain)
        info = HParamInfo(name=key, type=kind)
        for choice in domains.get(key, ()):
            setattr(info.domain_discrete.values.add(), field, choice)
        infos.append(info)
    metrics = [MetricInfo(name=MetricName(tag=key)) for key in metric_dict]
    experiment = Experiment(hparam_infos=infos, metric_infos=metrics)
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return (
        _tell(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment)),
        _tell(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _tell(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    )
