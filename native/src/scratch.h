#pragma once
#include <cstddef>
#include <memory>
#include <new>

namespace hbp {

/** Memory that grows and is used again; one primitive runs at a time. */
class Scratch {
 public:
  void* atLeast(size_t bytes) {
    if (bytes > size_) {
      data_.reset(::operator new(bytes, std::align_val_t{64}));
      size_ = bytes;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::unique_ptr<void, Free> data_;
  size_t size_ = 0;
};

}  // namespace hbp
