// Memory for intermediate numbers.
#pragma once
#include "simd.h"

namespace HBP_ISA {

/** Numbers whose address is a multiple of 64, zero at first. */
class Aligned {
 public:
  explicit Aligned(int64_t count) : raw_(new char[count * sizeof(float) + 64]) {
    const auto address = reinterpret_cast<uintptr_t>(raw_);
    data_ = reinterpret_cast<float*>((address + 63) / 64 * 64);
    std::memset(data_, 0, count * sizeof(float));
  }
  Aligned(const Aligned&) = delete;
  ~Aligned() { delete[] raw_; }
  operator float*() const { return data_; }

 private:
  char* const raw_;
  float* data_;
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
