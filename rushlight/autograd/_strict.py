"""What `strict=True` means in `autograd.functional`: derivatives that vanish by structure raise."""

from __future__ import annotations

import rushlight as torch

_STRICT = "This is not allowed in strict mode"

# By stage: no gradient at all, and none of second order though create_graph asks for it.
_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {i}. " + _STRICT,
    "back_trick": "The gradient with respect to the input is independent of entry {i} in the "
    "grad_outputs when using the double backward trick to compute forward mode gradients. "
    + _STRICT,
    "double_back": "The jacobian of the user-provided function is independent of input {i}. "
    + _STRICT,
    "double_back_trick": "The hessian of the user-provided function is independent of entry {i} in "
    f"the grad_jacobian. {_STRICT} as it prevents from using the double backward trick to replace "
    "forward mode AD",
    "jacobian": "Output {output} of the user-provided function is independent of input {i}. "
    + _STRICT,
}
_OF_SECOND_ORDER = {
    "double_back": "hessian",
    "double_back_trick": "hessian",
}


def check_depends(
    gradients, like, strict: bool, create_graph: bool, stage: str, output: int = 0
) -> tuple:
    """The gradients with zeros in the place of None; in strict mode RuntimeError instead."""
    checked = []
    for i, (gradient, tensor) in enumerate(zip(gradients, like, strict=True)):
        if gradient is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(i=i, output=output) + ".")
            gradient = torch.zeros_like(tensor)
        elif strict and create_graph and not gradient.requires_grad:
            what = _OF_SECOND_ORDER.get(stage, "jacobian")
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {i}. {_STRICT} "
                "when create_graph=True."
            )
        checked.append(gradient)
    return tuple(checked)


def check_differentiable(values, what: str, strict: bool) -> None:
    """In strict mode, RuntimeError where a value has no history."""
    if not strict:
        return
    for i, value in enumerate(values):
        if value is None:
            raise RuntimeError(_INDEPENDENT["back"].format(i=i) + ".")
        if value.requires_grad:
            continue
        if what == "hessian":
            raise RuntimeError(
                f"The hessian of the user-provided function with respect to input {i} is "
                f"independent of the input. {_STRICT}. You should ensure that your function is "
                "thrice differentiable and that the hessian depends on the inputs."
            )
        if what == "jacobian":
            raise RuntimeError(
                "While computing the hessian, found that the jacobian of the user-provided "
                f"function with respect to input {i} is independent of the input. {_STRICT}. You "
                "should ensure that your function is twice differentiable and that the jacobian "
                "depends on the inputs (this would be violated by a linear function for example)."
            )
        if what == "grad_inputs":
            raise RuntimeError(
                f"The gradient with respect to input {i} is independent of the inputs of the "
                f"user-provided function. {_STRICT}."
            )
        raise RuntimeError(
            f"Output {i} of the user-provided function does not require gradients. The outputs "
            "must be computed in a differentiable manner from the input when running in strict "
            "mode."
        )
