#include <cstring>

#include "loops.h"

namespace hbp {

const Loops& loopsOf(const char* limit) {
#if defined(HBP_X86)
  __builtin_cpu_init();
  const bool base = std::strcmp(limit, "base") == 0, avx2 = base || std::strcmp(limit, "avx2") == 0;
  // What the compiler takes for granted at levels v4 and v3 of the x86-64 instruction set.
  if (!avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return loopsAvx512();
  }
  if (!base && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    return loopsAvx2();
  }
#else
  (void)limit;
#endif
  return loopsBase();
}

}  // namespace hbp
