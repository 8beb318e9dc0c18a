#include "lapack.h"

#include <dlfcn.h>

#include <vector>

namespace hbp {

namespace {

using Ssyevd = void (*)(const char* jobz, const char* uplo, const int* n, float* a, const int* lda, float* w,
                        float* work, const int* lwork, int* iwork, const int* liwork, int* info);

struct Library {
  std::string file;
  Ssyevd ssyevd = nullptr;
  void (*setThreads)(int) = nullptr;
};

const char* const kCandidates[] = {
    "libopenblas.so.0",
    "libopenblas.so",
    "liblapack.so.3",
    "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
    "/usr/local/opt/openblas/lib/libopenblas.dylib",
    "/System/Library/Frameworks/Accelerate.framework/Accelerate",
};

const Library& library() {
  static const Library found = [] {
    Library result;
    for (const char* file : kCandidates) {
      void* handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
      if (!handle) continue;
      result.ssyevd = reinterpret_cast<Ssyevd>(dlsym(handle, "ssyevd_"));
      if (!result.ssyevd) {
        dlclose(handle);
        continue;
      }
      result.file = file;
      result.setThreads = reinterpret_cast<void (*)(int)>(dlsym(handle, "openblas_set_num_threads"));
      break;
    }
    return result;
  }();
  return found;
}

}  // namespace

const std::string& lapackLibrary() { return library().file; }

void setLapackThreads(int threads) {
  if (library().setThreads) library().setThreads(threads);
}

int symmetricEigen(float* matrix, float* values, int n) {
  int info = 0, none = -1, integers = 0;
  float size = 0;
  library().ssyevd("V", "U", &n, matrix, &n, values, &size, &none, &integers, &none, &info);
  if (info != 0) return info;
  // The size comes back as a float, which may have been rounded down.
  const int length = static_cast<int>(static_cast<double>(size) * 1.0001) + 16;
  std::vector<float> work(length);
  std::vector<int> iwork(integers);
  // Column-major eigenvectors, one a column, are row-major ones, one a row.
  library().ssyevd("V", "U", &n, matrix, &n, values, work.data(), &length, iwork.data(), &integers, &info);
  return info;
}

}  // namespace hbp
