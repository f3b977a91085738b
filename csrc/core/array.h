// Array: storage, offset, shape, strides and dtype, as a value. Views are pure arithmetic here.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "dtype.h"
#include "error.h"
#include "storage.h"

namespace rl {

using Shape = std::span<const int64_t>;
constexpr int kInlineDims = 4;
constexpr int kMaxDims = 64;

class Array {
  StorageRef storage_;
  int64_t offset_ = 0;  // in elements
  uint8_t ndim_ = 0;
  DType dtype_ = DType::F32;
  bool contiguous_ = true;
  const uint8_t room_ = kInlineDims;  // dims that fit into words_
  [[maybe_unused]] char marks_[4];    // of who embeds the array: neither set nor copied here
  // The number of elements, then sizes, then strides (in elements). A single dim's size is the
  // number of elements and is not repeated. More dims than room: a pointer to both in words_[1].
  int64_t words_[1 + 2 * kInlineDims];

  int64_t* heap() const {
    int64_t* p;
    __builtin_memcpy(&p, words_ + 1, sizeof p);
    return p;
  }
  int64_t* dims() { return ndim_ > room_ ? heap() : words_ + (ndim_ != 1); }
  const int64_t* dims() const { return ndim_ > room_ ? heap() : words_ + (ndim_ != 1); }
  void set_ndim(int n);             // (re)allocates; contents undefined
  void take_dims(const Array& o) {  // into an array that has none
    if (o.ndim_ <= 1)
      words_[0] = o.words_[0], words_[1] = o.words_[1];
    else if (o.ndim_ <= kInlineDims && o.room_ == kInlineDims && room_ == kInlineDims)
      __builtin_memcpy(words_, o.words_, sizeof words_);
    else
      return take_other_dims(o);
    ndim_ = o.ndim_;
  }
  void take_other_dims(const Array& o);
  int wrapped(int d) const {
    const int i = d < 0 ? d + ndim_ : d;
    if (static_cast<unsigned>(i) >= ndim_) [[unlikely]]
      no_dim(d);
    return i;
  }
  [[noreturn]] void no_dim(int d) const;
  char* no_memory() const;

 public:
  Array() { words_[0] = 0; }
  Array(const Array& o);
  Array(Array&& o) noexcept : Array(std::move(o), kInlineDims) {}
  Array(Array&& o, uint8_t room) noexcept;  // in memory that ends behind words_[2 * room]
  Array& operator=(const Array& o);
  Array& operator=(Array&& o) noexcept;
  ~Array() {
    if (ndim_ > room_) delete[] heap();
  }
  uint8_t room() const { return room_; }
  static constexpr size_t size_with(int room) {  // bytes of an array with that room
    return offsetof(Array, words_) + sizeof(int64_t) * (room == 1 ? 2 : 1 + 2 * room);
  }
  static constexpr size_t marks_at() { return offsetof(Array, marks_); }

  // -- making ---------------------------------------------------------------------------
  static Array empty(DType t, Shape sizes);  // row-major, uninitialised
  static Array empty(DType t, std::initializer_list<int64_t> sizes) {
    return empty(t, Shape(sizes.begin(), sizes.size()));
  }
  static Array empty_strided(DType t, Shape sizes, Shape strides);
  static Array empty_like(const Array& a) { return empty_like(a, a.dtype()); }
  static Array empty_like(const Array& a,
                          DType t);  // keeps the strides of a dense array (preserve_format)
  static Array over(StorageRef s, DType t, int64_t offset, Shape sizes,
                    Shape strides);  // no checks
  static Array scalar(double v, DType t);

  // -- facts ----------------------------------------------------------------------------
  bool defined() const { return static_cast<bool>(storage_); }
  int ndim() const { return ndim_; }
  DType dtype() const { return dtype_; }
  int64_t numel() const { return words_[0]; }
  int64_t offset() const { return offset_; }
  int item() const { return itemsize(dtype_); }
  int64_t nbytes() const { return numel() * item(); }
  const int64_t* sizes() const { return dims(); }
  const int64_t* strides() const { return dims() + ndim_; }
  Shape shape() const { return {sizes(), ndim_}; }
  Shape stride_span() const { return {strides(), ndim_}; }
  int64_t size(int d) const { return sizes()[wrapped(d)]; }
  int64_t stride(int d) const { return strides()[wrapped(d)]; }
  bool contiguous() const { return contiguous_; }  // row-major without gaps
  bool dense() const;          // some order of dims is contiguous: no gaps, no overlap
  bool channels_last() const;  // 4-d NHWC or 5-d NDHWC memory order
  bool same_shape(const Array& o) const;
  Storage* storage() const { return storage_.get(); }
  const StorageRef& storage_ref() const { return storage_; }
  DeviceType device() const { return storage_ ? storage_->device : DeviceType::CPU; }
  bool is_meta() const { return device() == DeviceType::Meta; }
  char* bytes() const {
    char* p = storage_->data;
    if (!p) [[unlikely]]
      p = no_memory();
    return p + offset_ * item();
  }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }

  // -- views (share storage) --------------------------------------------------------------
  Array as_strided(Shape sizes, Shape strides, int64_t offset) const;  // checks bounds
  Array select(int dim, int64_t index) const;
  Array slice(int dim, int64_t start, int64_t stop, int64_t step) const;  // resolved, clamped
  Array transpose(int a, int b) const;
  Array permute(Shape order) const;
  Array expand(Shape sizes) const;  // sizes may hold -1
  Array unsqueeze(int dim) const;
  Array squeeze(int dim) const;  // only if its size is 1
  Array squeeze() const;
  bool can_view(Shape sizes, int64_t* new_strides) const;  // strides of a view with that shape
  Array view(Shape sizes) const;                           // throws when no view exists; no -1 here
  Array reshape(Shape sizes) const;                        // views or copies
  Array unfold(int dim, int64_t size, int64_t step) const;
  Array diagonal(int64_t offset, int d1, int d2) const;
  Array view_dtype(DType t) const;  // same item size, or last dim adjusted

  // -- copies -----------------------------------------------------------------------------
  Array contiguous_copy() const;  // itself when contiguous already
  Array to(DType t) const;        // itself when the dtype agrees
  Array clone() const;            // preserve_format
};

// Elements of src into dst: any strides, any dtypes, broadcasting src; threads for big ones.
// In csrc/cpu/copy.cpp.
void copy_into(const Array& dst, const Array& src);
void fill(const Array& dst, double value);
void fill(const Array& dst, c128 value);
void fill(const Array& dst, int64_t value);

// NotImplementedError in a call on meta tensors: what comes out depends on the elements.
void need_elements(const char* op);

// Row-major means: strides as if packed, where dims of size 1 may have any stride.
bool row_major(const int64_t* sizes, const int64_t* strides, int n);
int64_t checked_product(Shape sizes);         // RuntimeError on negative sizes and overflow
int64_t span_of(Shape sizes, Shape strides);  // elements from the first to past the last reached
std::vector<int64_t> contiguous_strides(Shape sizes);
int64_t product(Shape sizes);
int64_t wrap_dim(const char* op, int64_t dim, int ndim);  // IndexError when out of range
std::vector<int64_t> broadcast_shapes(const char* op, Shape a, Shape b);       // RuntimeError
std::vector<int64_t> infer_size(const char* op, Shape wanted, int64_t numel);  // resolves one -1
std::string shape_text(Shape s);                                               // "[2, 3]"

}  // namespace rl
