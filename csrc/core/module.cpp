// The extension module rushlight._C.
#include "autograd.h"
#include "generator.h"

namespace rl {
bool init_functions(PyObject* module);
bool init_layer(PyObject* module);
bool init_python(PyObject* module);
bool init_memory(PyObject* module);
bool init_settings(PyObject* module);
bool init_sparse(PyObject* module);
bool init_below(PyObject* module);
bool init_swap(PyObject* module);
bool init_levels(PyObject* module);
bool init_liveness(PyObject* module);
bool init_wrapped(PyObject* module);
bool init_profile(PyObject* module);
bool init_extension_api(PyObject* module);
}  // namespace rl

PyMODINIT_FUNC PyInit__C() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                   "rushlight._C",
                                   "The compiled core of rushlight.",
                                   -1,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr};
  PyObject* m = PyModule_Create(&definition);
  if (!m) return nullptr;
  using namespace rl;
  if (init_dtypes(m) && init_tensor(m) && init_op(m) && init_front(m) && init_output(m) &&
      init_nodes(m) && init_saved(m) && init_engine(m) && init_python(m) && init_memory(m) &&
      init_settings(m) && init_functions(m) && init_generator(m) && init_layer(m) &&
      init_sparse(m) && init_below(m) && init_swap(m) && init_levels(m) && init_wrapped(m) &&
      init_liveness(m) && init_profile(m) && init_extension_api(m))
    return m;
  Py_DECREF(m);
  return nullptr;
}
