// Signals wait while oneDNN multiplies.
#pragma once
#include <cstdint>

#if !defined(_WIN32)
#include <csignal>
#endif

namespace hbp {

/**
 * Holds back signals from this thread and OpenMP's for as long as it lives. The matrix product that oneDNN generates for
 * AVX2 and AVX-512, before its versions of spring 2026, keeps the address of a buffer on the heap in the stack pointer
 * (uxlfoundation/oneDNN issue 4845): what the system stores there for a signal's handler overwrites what lies below.
 * Node's other threads still take signals meanwhile; those for this thread alone, a profiler's, wait for the product.
 */
class SignalsHeld {
 public:
  /** @param multiplications  of the work to come: below what oneDNN does alone its threads are not woken */
  explicit SignalsHeld(int64_t multiplications) {
#if !defined(_WIN32)
    pthread_sigmask(SIG_BLOCK, &all(), &before_);
#if defined(_OPENMP)
    if (multiplications < kShared) return;
    // OpenMP's threads may have been started by other loops; those that start here inherit the mask.
#pragma omp parallel
    {
      static thread_local bool isHeld = false;
      if (!isHeld) pthread_sigmask(SIG_BLOCK, &all(), nullptr);
      isHeld = true;
    }
#endif
#endif
  }
#if !defined(_WIN32)
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
#endif
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

#if !defined(_WIN32)

 private:
  static constexpr int64_t kShared = 1 << 15;

  /** Those that tell of a fault are never held back: the process would end without a word. */
  static const sigset_t& all() {
    static const sigset_t set = [] {
      sigset_t each;
      sigfillset(&each);
      for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&each, fault);
      return each;
    }();
    return set;
  }
  sigset_t before_;
#endif
};

}  // namespace hbp
