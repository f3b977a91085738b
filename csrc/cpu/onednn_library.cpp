// Opens libdnnl, which lies beside the extension, on first use.
#include "onednn.h"

#if RL_ONEDNN

#include <dlfcn.h>

#include <string>

#include "onednn_library.h"

namespace rl {
namespace {

void* open_library() {
  const char* name = "libdnnl.so.3";
  Dl_info own;
  if (dladdr(reinterpret_cast<void*>(&open_library), &own) && own.dli_fname) {
    std::string path(own.dli_fname);
    path.resize(path.rfind('/') + 1);
    if (void* library = dlopen((path + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

}  // namespace

OneDnn::Found OneDnn::found(const char* name) {
  static void* const library = open_library();
  void* address = library ? dlsym(library, name) : nullptr;
  complete = complete && address;
  return {address};
}

const OneDnn& dnn() {
  static const OneDnn functions;
  return functions;
}

bool dnn_available() { return dnn().complete; }

}  // namespace rl

#endif
