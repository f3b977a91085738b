"""What float models and programs that ask about quantization name; nothing here quantizes."""

from .fake_quantize import FakeQuantizeBase
from .observer import ObserverBase
from .stubs import DeQuantStub, QuantStub, QuantWrapper

__all__ = ["DeQuantStub", "FakeQuantizeBase", "ObserverBase", "QuantStub", "QuantWrapper"]
