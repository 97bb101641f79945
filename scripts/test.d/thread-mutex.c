// Tells ThreadSanitizer of the locking that Swift's Mutex does inside its library, which is not instrumented.
//
// Code that is compiled into the program takes a free Mutex and releases one without waiters: ThreadSanitizer sees that. A thread that
// has to wait, or to wake others, calls these functions of libswiftSynchronization. Without them, what one thread did before it
// released a contended Mutex would seem to race with what the next one does.
//
// scripts/test --sanitize=thread links this into what it builds, ahead of the library.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF void *mutex) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF void *mutex) __asm__(UNLOCK);

typedef SWIFT void (*lock_function)(uint32_t, SELF void *);
typedef SWIFT bool (*try_lock_function)(SELF void *);
typedef SWIFT void (*unlock_function)(SELF void *);

static lock_function library_lock;
static try_lock_function library_try_lock;
static unlock_function library_unlock;

// Before there is a second thread.
__attribute__((constructor)) static void find(void) {
  library_lock = (lock_function)dlsym(RTLD_NEXT, LOCK);
  library_try_lock = (try_lock_function)dlsym(RTLD_NEXT, TRY_LOCK);
  library_unlock = (unlock_function)dlsym(RTLD_NEXT, UNLOCK);
}

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) {
  library_lock(thread, mutex);
  __tsan_acquire(mutex);
}

SWIFT bool try_lock_slow(SELF void *mutex) {
  bool locked = library_try_lock(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

SWIFT void unlock_slow(SELF void *mutex) {
  __tsan_release(mutex);
  library_unlock(mutex);
}
