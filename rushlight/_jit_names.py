"""Where the names are that PyTorch's root and `torch._C` have for graphs, types and archives."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# module: the names that it holds
_MODULES = {
    "jit._types": """
        Type AnyType AwaitType BoolType Capsule ClassType ComplexType DeviceObjType DictType
        EnumType FloatType FutureType InferredType IntType InterfaceType ListType NoneType
        NumberType OptionalType PyObjectType RRefType StreamObjType StringType SymBoolType
        SymIntType TensorType TupleType UnionType unify_type_list
    """,
    "jit._ir": "Block Graph Node Use Value",
    "jit._ir_parse": "parse_ir",
    "jit._schema": "Argument FunctionSchema",
    "jit._alias": "AliasDb",
    "jit._execution": """
        AVG AggregationType ArgumentSpec BenchmarkConfig BenchmarkExecutionStats Code
        CompleteArgumentSpec ExecutionPlan Gradient GraphExecutorState IODescriptor LockingLogger
        NoopLogger OperatorInfo SUM StaticModule ThroughputBenchmark TracingState
    """,
    "jit._script_values": """
        BufferDict ModuleDict ParameterDict ScriptClass ScriptClassFunction ScriptDict
        ScriptDictIterator ScriptDictKeyIterator ScriptList ScriptListIterator ScriptObjectProperty
    """,
    "jit._module_archives": """
        DeepCopyMemoTable LiteScriptModule ScriptModuleSerializer import_ir_module
        import_ir_module_from_buffer
    """,
    "jit._reports": """
        CallStack ErrorReport FatalError merge_type_from_type_comment parse_type_comment
    """,
    "jit._concrete": "ConcreteModuleType ConcreteModuleTypeBuilder",
    "jit._function": "ScriptFunction ScriptMethod",
    "jit._script_objects": "ScriptObject",
    "jit": "CompilationUnit",
    "serialization._containers": """
        DeserializationStorageContext PyTorchFileReader PyTorchFileWriter
        SerializationStorageContext
    """,
    "_dispatch_keys": "DispatchKey DispatchKeySet ExcludeDispatchKeyGuard Tag",
    "testing": "FileCheck",
}
HOMES: dict[str, tuple[str, str | None]] = {
    name: (home, name) for home, names in _MODULES.items() for name in names.split()
}
# Those that have another name there.
HOMES |= {
    "JITException": ("jit._run_errors", "Error"),
    "ScriptModule": ("jit._script_objects", "ModuleObject"),
    "bit": ("_C", "uint1"),
    "cpp": ("_cpp", None),
    "parse_schema": ("jit._jit_bindings", "parse_schema"),
}


def find(name: str) -> Any:
    """What a name of HOMES stands for."""
    home, own = HOMES[name]
    module = import_module(f"{__package__}.{home}")
    if own == "uint1":
        return next(d for d in module.dtypes if d._name == own)
    return module if own is None else getattr(module, own)
