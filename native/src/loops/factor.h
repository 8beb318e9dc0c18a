// Products with the factor of a Gauss-Newton matrix, sample by sample.
#pragma once
#include "simd.h"

namespace HBP_ISA {

static inline float dotOf(const float* u, const float* v, int64_t n) {
  Floats sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; j++) sum[j] = sum[j] + load(u + i + j * kLanes) * load(v + i + j * kLanes);
  for (; i + kLanes <= n; i += kLanes) sum[0] = sum[0] + load(u + i) * load(v + i);
  float rest = 0;
  for (; i < n; i++) rest += u[i] * v[i];
  return sumOf((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

/** Columns of the factor that are in registers at once. */
constexpr int64_t kColumns = 8;

static void factorProduct(const float* factor, const float* tangents, float* to, int64_t rank, int64_t vectors,
                          int64_t samples, int64_t features) {
  inParallel(samples, (rank + 2 * vectors) * samples * features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t t = 0; t < vectors; t++) {
        const float* tangent = tangents + (t * samples + n) * features;
        float* result = to + (t * samples + n) * features;
        for (int64_t first = 0; first < rank; first += kColumns) {
          const int64_t columns = least(kColumns, rank - first);
          const float* column[kColumns];
          float along[kColumns];
          for (int64_t v = 0; v < columns; v++) {
            column[v] = factor + ((first + v) * samples + n) * features;
            along[v] = dotOf(column[v], tangent, features);
          }
          int64_t i = 0;
          for (; i + kLanes <= features; i += kLanes) {
            Floats sum = first == 0 ? Floats{} : load(result + i);
            for (int64_t v = 0; v < columns; v++) sum = sum + along[v] * load(column[v] + i);
            store(result + i, sum);
          }
          for (; i < features; i++) {
            float sum = first == 0 ? 0 : result[i];
            for (int64_t v = 0; v < columns; v++) sum += along[v] * column[v][i];
            result[i] = sum;
          }
        }
        if (rank == 0) std::memset(result, 0, features * sizeof(float));
      }
    }
  });
}

}  // namespace HBP_ISA
