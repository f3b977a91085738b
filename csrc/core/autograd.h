// The graph: nodes with edges to the nodes before them, and the engine that walks it.
#pragma once
#include "op.h"

namespace rl {

struct Edge {
  Node* node;
  uint32_t nr;
};  // strong; node null: no gradient wanted

struct Saved {
  enum Kind : uint8_t { Empty, Value, Input, Output, Packed } kind = Empty;
  uint32_t version = 0;
  uint32_t output_nr = 0;
  PyObject* object = nullptr;  // the value, or the input tensor itself
  Array array;                 // Input, Output
};

// Shape and dtype that a gradient arriving at an output must have.
struct Meta {
  uint8_t ndim = 0;
  DType dtype = DType::F32;
  bool on_meta = false;
  union {
    int64_t inline_sizes[4];
    int64_t* heap;
  };
  Meta() {}
  Meta(const Meta&) = delete;
  ~Meta() {
    if (ndim > 4) delete[] heap;
  }
  void set(const Array& a);
  Shape shape() const { return {ndim > 4 ? heap : inline_sizes, ndim}; }
};

struct Node {
  PyObject_HEAD const OpSpec*
      spec;  // null: AccumulateGrad, CopySlices, AsStrided or Python-defined
  Edge* edges;
  Saved* saved;
  Meta* outputs;
  PyObject* extra;  // dict: hooks, prehooks, metadata, traceback; null mostly
  PyObject* weakrefs;
  Tensor* variable;  // AccumulateGrad: the leaf (strong)
  uint64_t sequence;
  uint32_t nedges, nsaved, noutputs;
  uint32_t computes;  // bit per gradient function whose result is wanted
  bool released;      // saved values are gone
};

extern PyTypeObject* NodeType;
extern PyTypeObject* AccumulateGradType;
extern PyTypeObject* CopySlicesType;
extern PyTypeObject* AsStridedType;

Node* node_new(PyTypeObject* type, const OpSpec* spec, int nedges, int nsaved, int noutputs);
void node_output(Node* n, int i, const Array& a);  // remembers shape and dtype
Edge edge_of(Tensor* t);                           // new strong reference (or null node)
Node* accumulator_of(Tensor* t);                   // new strong reference

// One call under recording: `record_begin` decides and saves what must be saved before an in-place
// run; `record_end` attaches the node.
struct Recording {
  Node* node = nullptr;  // owned until attached
  ~Recording();
};
bool wants_recording(const OpSpec& spec, PyObject* const* args, uint32_t* computes);
void record_inputs(Recording& r, const OpSpec& spec, PyObject* const* args, uint32_t computes,
                   Tensor* inplace_target);
void record_outputs(Recording& r, const OpSpec& spec, Tensor* const* outputs, int n);
void attach(Node* n, Tensor* t, int nr);          // takes a new reference to n
void rebase_history(Tensor* t, Node* n, int nr);  // after an in-place write into t
void check_inplace(Tensor* t);                    // leaf and inference rules
void regenerate_view(Tensor* view);
void make_view(Tensor* t, Tensor* source);  // t, new, shares the storage of source

PyObject* unpack_saved(Node* n, Saved& s);  // new reference
void release_saved(Node* n);
[[noreturn]] void fail_freed();  // a second backward through what was freed after the first

// Between node.cpp, record.cpp and saved.cpp.
uint64_t next_sequence();
size_t block_bytes(int nedges, int nsaved, int noutputs);
void allocate_parts(Node* n, int nedges, int nsaved, int noutputs);
void free_parts(Node* n);
void node_init(Node* n, const OpSpec* spec);
int node_traverse(Node* n, visitproc visit, void* arg);
int node_clear(Node* n);
void node_dealloc(Node* n);
PyTypeObject* node_subtype(const std::string& name);  // lives for ever
PyObject* node_dict(Node* n, const char* key);        // new reference: one of its dicts
PyObject* node_metadata(Node* n, void*);              // new reference
std::string maker_name(const Node* n);                // as messages name it: MulBackward0 is Mul
void note_anomaly(Node* n);                           // engine.cpp
bool list_needs_grad(PyObject* o);                    // a list or tuple
void save_input(Saved& s, PyObject* o, bool clone);
void pack_saved(Saved& s, Tensor* t, PyObject* history, uint32_t nr);
extern thread_local PyObject* t_saved_hooks;  // (pack, unpack) of the innermost pair

bool init_nodes(PyObject* module);
PyObject* saved_tensor(PyObject* o);  // what a SavedTensor refers to: borrowed, may be null
PyObject* saved_slot(Node* n, uint32_t slot);  // a SavedTensor for what a node keeps
bool init_saved(PyObject* module);
bool init_engine(PyObject* module);

}  // namespace rl
