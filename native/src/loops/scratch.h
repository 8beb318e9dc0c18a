// Memory for intermediate numbers.
#pragma once
#include <new>

#include "simd.h"

namespace HBP_ISA {

/** Numbers whose address is a multiple of 64, zero at first. Not a float longer, so that sanitizers see what goes beyond. */
class Aligned {
 public:
  explicit Aligned(int64_t count) : data_(static_cast<float*>(::operator new[](count * sizeof(float), kLine))) {
    std::memset(data_, 0, count * sizeof(float));
  }
  Aligned(const Aligned&) = delete;
  ~Aligned() { ::operator delete[](data_, kLine); }
  operator float*() const { return data_; }

 private:
  static constexpr std::align_val_t kLine{64};
  float* const data_;
};

/** Memory that grows and is kept from call to call: fresh memory costs more than what is done with it. */
class Kept {
 public:
  float* atLeast(int64_t count) {
    if (count > count_) {
      delete owner_;
      owner_ = new Aligned(count);
      count_ = count;
    }
    return *owner_;
  }

 private:
  Aligned* owner_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace HBP_ISA
