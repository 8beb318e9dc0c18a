// What the machine and oneDNN do without TensorFlow.js in between: the peer of the kernel benchmarks.
//
// Reads one request a line from standard input and answers each with one line, "ok <seconds a call>" or "error <why>":
//   info                                          "ok <text>": libraries, instruction set, threads
//   peak <calls>                                  2^26 fused multiply-adds a call and thread, in registers
//   copy <n> <calls>                              a[i] = b[i], n float32
//   triad <n> <calls>                             a[i] = b[i] + s c[i]
//   sgemm <ta> <tb> <m> <n> <k> <calls>           dnnl_sgemm, ta and tb 0 or 1
//   conv <which> <n> <h> <w> <c> <o> <reorder> <calls>
//                                                 3x3, stride 1, padding 1, NHWC; which: forward, data or weights;
//                                                 reorder: once (outside of the time) or each (to or from HWIO, inside)
//   forget                                        free all operands
// Operands of the last few requests are kept, so that a repetition costs no allocation. Every request calls once
// without a clock first.
//
// Compiled by the benchmark with -O3 -march=native -fopenmp -ldnnl, or without oneDNN: then sgemm and conv are errors.
// oneDNN 2.6 to 3.x.
#include <omp.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#ifdef WITH_DNNL
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace {

using Call = std::function<void()>;

// Seconds a call.
double measure(const Call& call, int64_t calls) {
  call();
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; i++) call();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / static_cast<double>(calls);
}

// float32 on the heap, aligned to a page, first touched by the threads that will use it.
class Array {
 public:
  explicit Array(int64_t size) : data_(static_cast<float*>(std::aligned_alloc(4096, (size * 4 + 4095) / 4096 * 4096))) {
    if (!data_) throw std::runtime_error("out of memory");
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < size; i++) data_[i] = static_cast<float>((i * 7919) % 2003) / 2003.0f - 0.5f;
  }
  ~Array() { std::free(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  float* data() const { return data_; }

 private:
  float* data_;
};
using Shared = std::shared_ptr<Array>;
Shared array(int64_t size) { return std::make_shared<Array>(size); }

// The widest vectors that the compiler may use, and as many independent sums as hide the latency of an addition.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kSums = 16;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kSums = 12;
#else
constexpr int kVectorBytes = 16, kSums = 12;
#endif
typedef float Vector __attribute__((vector_size(kVectorBytes)));
constexpr int64_t kLanes = kVectorBytes / 4;
constexpr int64_t kMultiplyAdds = int64_t{1} << 26;  // a call and thread

volatile float sink;

void multiplyAdd() {
#pragma omp parallel
  {
    Vector sums[kSums];
    for (int s = 0; s < kSums; s++) sums[s] = Vector{} + static_cast<float>(s);
    Vector factor = Vector{} + 0.999f, term = Vector{} + 0.001f;
    // Keeps the compiler from calculating the outcome beforehand.
    __asm__ volatile("" : "+m"(factor), "+m"(term));
    const Vector f = factor, t = term;
    for (int64_t i = 0; i < kMultiplyAdds / (kSums * kLanes); i++) {
#pragma GCC unroll 16
      for (int s = 0; s < kSums; s++) sums[s] = sums[s] * f + t;
    }
    Vector total{};
    for (int s = 0; s < kSums; s++) total += sums[s];
    sink = total[0];
  }
}

Call copyCall(int64_t n) {
  Shared a = array(n), b = array(n);
  return [=] {
    float* to = a->data();
    const float* from = b->data();
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++) to[i] = from[i];
  };
}

Call triadCall(int64_t n) {
  Shared a = array(n), b = array(n), c = array(n);
  return [=] {
    float* to = a->data();
    const float *first = b->data(), *second = c->data();
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++) to[i] = first[i] + 1.5f * second[i];
  };
}

#ifdef WITH_DNNL
Call sgemmCall(bool ta, bool tb, int64_t m, int64_t n, int64_t k) {
  Shared a = array(m * k), b = array(k * n), c = array(m * n);
  return [=] {
    const auto status = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a->data(), ta ? m : k, b->data(),
                                   tb ? k : n, 0.0f, c->data(), n);
    if (status != dnnl_success) throw std::runtime_error("dnnl_sgemm failed");
  };
}

struct Onednn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};
Onednn& onednn() {
  static Onednn instance;
  return instance;
}

struct Picture {
  int64_t n, h, w, c, o;
};

// oneDNN 2 describes an operation first and then looks for an implementation; 3 does both in one call.
dnnl::convolution_forward::primitive_desc forwardDesc(const dnnl::memory::desc& src, const dnnl::memory::desc& weights,
                                                      const dnnl::memory::desc& dst) {
  using conv = dnnl::convolution_forward;
  const auto kind = dnnl::prop_kind::forward_training;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return conv::primitive_desc(onednn().engine, kind, algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1});
#else
  return conv::primitive_desc(conv::desc(kind, algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1}), onednn().engine);
#endif
}

dnnl::convolution_backward_data::primitive_desc dataDesc(const dnnl::memory::desc& src,
                                                         const dnnl::memory::desc& weights,
                                                         const dnnl::memory::desc& dst) {
  using conv = dnnl::convolution_backward_data;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const auto hint = forwardDesc(src, weights, dst);
#if DNNL_VERSION_MAJOR >= 3
  return conv::primitive_desc(onednn().engine, algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1}, hint);
#else
  return conv::primitive_desc(conv::desc(algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1}), onednn().engine, hint);
#endif
}

dnnl::convolution_backward_weights::primitive_desc weightsDesc(const dnnl::memory::desc& src,
                                                               const dnnl::memory::desc& weights,
                                                               const dnnl::memory::desc& dst) {
  using conv = dnnl::convolution_backward_weights;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const auto hint = forwardDesc(src, weights, dst);
#if DNNL_VERSION_MAJOR >= 3
  return conv::primitive_desc(onednn().engine, algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1}, hint);
#else
  return conv::primitive_desc(conv::desc(algorithm, src, weights, dst, {1, 1}, {1, 1}, {1, 1}), onednn().engine, hint);
#endif
}

using Arguments = std::unordered_map<int, dnnl::memory>;

Call convCall(const std::string& which, const Picture& p, bool reorderEachTime) {
  using dnnl::memory;
  using tag = memory::format_tag;
  const auto f32 = memory::data_type::f32;
  dnnl::engine engine = onednn().engine;
  dnnl::stream stream = onednn().stream;
  const memory::desc srcDesc({p.n, p.c, p.h, p.w}, f32, tag::nhwc), dstDesc({p.n, p.o, p.h, p.w}, f32, tag::nhwc);
  const memory::desc anyDesc({p.o, p.c, 3, 3}, f32, tag::any), plainDesc({p.o, p.c, 3, 3}, f32, tag::hwio);
  const Shared srcArray = array(p.n * p.h * p.w * p.c), dstArray = array(p.n * p.h * p.w * p.o);
  const Shared plainArray = array(9 * p.c * p.o);
  memory src(srcDesc, engine, srcArray->data()), dst(dstDesc, engine, dstArray->data());
  memory plain(plainDesc, engine, plainArray->data());

  dnnl::primitive convolution;
  memory::desc blockedDesc;
  Arguments arguments;
  const bool weightsComeOut = which == "weights";
  if (which == "forward") {
    const auto desc = forwardDesc(srcDesc, anyDesc, dstDesc);
    convolution = dnnl::convolution_forward(desc);
    blockedDesc = desc.weights_desc();
    arguments = {{DNNL_ARG_SRC, src}, {DNNL_ARG_DST, dst}};
  } else if (which == "data") {
    const auto desc = dataDesc(srcDesc, anyDesc, dstDesc);
    convolution = dnnl::convolution_backward_data(desc);
    blockedDesc = desc.weights_desc();
    arguments = {{DNNL_ARG_DIFF_SRC, src}, {DNNL_ARG_DIFF_DST, dst}};
  } else if (weightsComeOut) {
    const auto desc = weightsDesc(srcDesc, anyDesc, dstDesc);
    convolution = dnnl::convolution_backward_weights(desc);
    blockedDesc = desc.diff_weights_desc();
    arguments = {{DNNL_ARG_SRC, src}, {DNNL_ARG_DIFF_DST, dst}};
  } else {
    throw std::runtime_error("no convolution is called " + which);
  }
  memory blocked(blockedDesc, engine);
  arguments.emplace(weightsComeOut ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, blocked);
  const dnnl::reorder reorder = weightsComeOut ? dnnl::reorder(blocked, plain) : dnnl::reorder(plain, blocked);
  const Call move = [=]() mutable {
    if (weightsComeOut) {
      reorder.execute(stream, blocked, plain);
    } else {
      reorder.execute(stream, plain, blocked);
    }
    stream.wait();
  };
  if (!weightsComeOut) move();
  // The arrays live as long as the call.
  return [=, arrays = std::vector<Shared>{srcArray, dstArray, plainArray}]() mutable {
    if (reorderEachTime && !weightsComeOut) move();
    convolution.execute(stream, arguments);
    stream.wait();
    if (reorderEachTime && weightsComeOut) move();
  };
}

std::string libraries() {
  const auto* version = dnnl_version();
  std::ostringstream text;
  text << "oneDNN " << version->major << "." << version->minor << "." << version->patch << ", ";
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: text << "SSE4.1"; break;
    case dnnl::cpu_isa::avx: text << "AVX"; break;
    case dnnl::cpu_isa::avx2: text << "AVX2"; break;
    case dnnl::cpu_isa::avx512_core: text << "AVX-512"; break;
    case dnnl::cpu_isa::avx512_core_vnni: text << "AVX-512 VNNI"; break;
    case dnnl::cpu_isa::avx512_core_bf16: text << "AVX-512 BF16"; break;
    case dnnl::cpu_isa::avx512_core_amx: text << "AVX-512 AMX"; break;
    default: text << "instruction set 0x" << std::hex << static_cast<int>(dnnl::get_effective_cpu_isa());
  }
  return text.str();
}
#else
std::string libraries() { return "without oneDNN"; }
#endif

// The call that a request without its number of calls describes.
Call callOf(const std::string& request) {
  std::istringstream words(request);
  std::string name;
  words >> name;
  const auto number = [&] {
    int64_t value = 0;
    if (!(words >> value) || value < 0) throw std::runtime_error("a number is missing in: " + request);
    return value;
  };
  if (name == "peak") return multiplyAdd;
  if (name == "copy") return copyCall(number());
  if (name == "triad") return triadCall(number());
#ifdef WITH_DNNL
  if (name == "sgemm") {
    const bool ta = number() != 0, tb = number() != 0;
    const int64_t m = number(), n = number(), k = number();
    return sgemmCall(ta, tb, m, n, k);
  }
  if (name == "conv") {
    std::string which, reorder;
    words >> which;
    Picture picture{};
    for (int64_t* size : {&picture.n, &picture.h, &picture.w, &picture.c, &picture.o}) *size = number();
    words >> reorder;
    return convCall(which, picture, reorder == "each");
  }
#endif
  throw std::runtime_error("cannot do: " + request);
}

}  // namespace

int main() {
  // A case's operands, and those of the machine's own measurements beside it, stay for its repetitions.
  constexpr size_t kMostKept = 4;
  std::vector<std::pair<std::string, Call>> kept;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      if (line == "info") {
        std::cout << "ok " << libraries() << ", " << kVectorBytes * 8 << "-bit vectors, " << omp_get_max_threads()
                  << " threads" << std::endl;
        continue;
      }
      if (line == "forget") {
        kept.clear();
        std::cout << "ok 0" << std::endl;
        continue;
      }
      const size_t space = line.rfind(' ');
      if (space == std::string::npos) throw std::runtime_error("no number of calls in: " + line);
      const std::string request = line.substr(0, space);
      const int64_t calls = std::stoll(line.substr(space + 1));
      if (calls < 1) throw std::runtime_error("at least one call, not " + std::to_string(calls));
      const Call* call = nullptr;
      for (const auto& [text, made] : kept) {
        if (text == request) call = &made;
      }
      if (!call) {
        if (kept.size() >= kMostKept) kept.erase(kept.begin());
        kept.emplace_back(request, callOf(request));
        call = &kept.back().second;
      }
      const double seconds = measure(*call, calls);
      std::cout << "ok " << std::scientific << seconds << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
}
