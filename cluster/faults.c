// What a disk and a clock may do to a process, for drills: preloaded into it, done when the file that FAULTS_FILE names
// says so. cluster/faults writes that file.
//
// Slow and full are the files whose paths begin with FAULTS_PATH; full only those with FAULTS_FULL_PATH, if that is given.
// The clock is that of the time of day: clocks that only measure time go on as they are, as those of a machine do whose
// time is set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The order that cluster/faults knows.
struct faults {
  _Atomic int64_t sync_delay_micros;
  _Atomic int64_t is_full;
  _Atomic int64_t clock_offset_millis;
  _Atomic int64_t delayed;
  _Atomic int64_t refused;
  _Atomic int64_t shifted;
};

static struct faults none;
static struct faults *faults = &none;
static const char *path = "";
static const char *full_path = "";

__attribute__((constructor)) static void open_faults(void) {
  const char *file = getenv("FAULTS_FILE");
  const char *prefix = getenv("FAULTS_PATH");
  if (!file || !prefix) return;
  int descriptor = open(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    perror(file);
    _exit(1);
  }
  void *there = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (there == MAP_FAILED) {
    perror(file);
    _exit(1);
  }
  faults = there;
  path = prefix;
  full_path = getenv("FAULTS_FULL_PATH");
  if (!full_path) full_path = path;
}

// Files alone: what is said on a socket does not need the disk.
static int is_there(int descriptor, const char *path) {
  char name[64], target[PATH_MAX];
  struct stat about;
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) return 0;
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t count = readlink(name, target, sizeof target - 1);
  if (count < 0) return 0;
  target[count] = 0;
  return strncmp(target, path, strlen(path)) == 0;
}

static int is_refused(int descriptor) {
  if (!faults->is_full) return 0;
  int before = errno;
  int is_refused = is_there(descriptor, full_path);
  errno = before;
  if (is_refused) faults->refused++;
  return is_refused;
}

static void delay(int descriptor) {
  int64_t micros = faults->sync_delay_micros;
  if (micros <= 0 || !is_there(descriptor, path)) return;
  struct timespec pause = {micros / 1000000, micros % 1000000 * 1000};
  while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {}
  faults->delayed++;
}

#define NEXT(name) \
  static __typeof__(&name) _Atomic cached; \
  __typeof__(&name) next = cached; \
  if (!next) cached = next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define REFUSING(type, name, parameters, arguments, failure) \
  type name parameters { \
    NEXT(name); \
    if (is_refused(descriptor)) failure; \
    return next arguments; \
  }
#define NO_SPACE { errno = ENOSPC; return -1; }

REFUSING(ssize_t, write, (int descriptor, const void *bytes, size_t count), (descriptor, bytes, count), NO_SPACE)
REFUSING(ssize_t, pwrite, (int descriptor, const void *bytes, size_t count, off_t at), (descriptor, bytes, count, at), NO_SPACE)
REFUSING(ssize_t, pwrite64, (int descriptor, const void *bytes, size_t count, off64_t at), (descriptor, bytes, count, at), NO_SPACE)
REFUSING(ssize_t, pwritev, (int descriptor, const struct iovec *parts, int count, off_t at), (descriptor, parts, count, at), NO_SPACE)
REFUSING(int, posix_fallocate, (int descriptor, off_t at, off_t count), (descriptor, at, count), return ENOSPC)

int fsync(int descriptor) {
  NEXT(fsync);
  delay(descriptor);
  return next(descriptor);
}

int fdatasync(int descriptor) {
  NEXT(fdatasync);
  delay(descriptor);
  return next(descriptor);
}

static int is_time_of_day(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

// Nanoseconds since 1970 at this offset, counted as one look at a clock that is wrong.
static int64_t shift(int64_t nanos) {
  int64_t millis = faults->clock_offset_millis, year = INT64_C(31536000000);
  if (millis < -year || millis > year) return nanos;
  if (millis != 0) faults->shifted++;
  return nanos + millis * 1000000;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  NEXT(clock_gettime);
  int result = next(clock, time);
  if (result == 0 && faults->clock_offset_millis != 0 && is_time_of_day(clock)) {
    int64_t nanos = shift(time->tv_sec * INT64_C(1000000000) + time->tv_nsec);
    time->tv_sec = nanos / 1000000000;
    time->tv_nsec = nanos % 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *time, void *zone) {
  NEXT(gettimeofday);
  int result = next(time, zone);
  if (result == 0 && faults->clock_offset_millis != 0) {
    int64_t nanos = shift(time->tv_sec * INT64_C(1000000000) + time->tv_usec * INT64_C(1000));
    time->tv_sec = nanos / 1000000000;
    time->tv_usec = nanos % 1000000000 / 1000;
  }
  return result;
}
