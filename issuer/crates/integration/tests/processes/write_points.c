/* Stands between a process and its disk: counts, notes and, where it is told to, ends, halts or fails the
 * calls by which files below some directories are changed or read. Preloaded by the tests of faults.
 *
 * WRITE_POINTS names the file that says what to do, read anew at each call:
 *
 *     ACT WHEN NUMBER ERRNO CALLS PATH
 *
 * ACT is note, abort, halt or fail; WHEN is before or after; NUMBER is which of the calls so far, or 0 for
 * each; CALLS is a list with a comma behind each name; PATH is a part of the file's path. Only calls that
 * are in CALLS and on such a path are counted and noted, one line each in the file WRITE_POINTS.log:
 *
 *     NUMBER CALL DESCRIPTOR ERRNO OFFSET LENGTH PATH
 *
 * DESCRIPTOR counts openings, so that a call on an old descriptor is told from one on a new. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define LONGEST 1024
#define DESCRIPTORS 65536
/* How a process that is ended here is told from one that ended by itself. */
#define ENDED 99

enum act { NOTE, ABORT, HALT, FAIL };

struct order {
    enum act act;
    int before, matches;
    long number;
    int error;
};

struct point {
    const char *call;
    char path[LONGEST];
    long number, descriptor;
    long long offset, length;
    struct order order;
};

static atomic_long calls;
static atomic_long openings;
static atomic_long descriptors[DESCRIPTORS];

static int find_path(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, LONGEST - 1);
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    return 1;
}

static struct order read_order(const char *call, const char *path)
{
    struct order order = { NOTE, 1, 0, 0, 0 };
    char text[LONGEST], act[16], when[16], names[256], part[512], name[64];
    const char *file = getenv("WRITE_POINTS");
    if (!file) return order;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return order;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0) return order;
    text[length] = 0;
    if (sscanf(text, "%15s %15s %ld %d %255s %511s", act, when, &order.number, &order.error, names, part) != 6)
        return order;
    order.act = !strcmp(act, "abort") ? ABORT : !strcmp(act, "halt") ? HALT : !strcmp(act, "fail") ? FAIL : NOTE;
    order.before = strcmp(when, "after") != 0;
    snprintf(name, sizeof name, "%s,", call);
    const char *found = strstr(names, name);
    order.matches = found && (found == names || found[-1] == ',') && strstr(path, part);
    return order;
}

static void note(const struct point *point, int error)
{
    char file[LONGEST], line[LONGEST + 256];
    snprintf(file, sizeof file, "%s.log", getenv("WRITE_POINTS"));
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    int length = snprintf(line, sizeof line, "%ld %s %ld %d %lld %lld %s\n", point->number, point->call,
                          point->descriptor, error, point->offset, point->length, point->path);
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

static void act_on(const struct point *point)
{
    if (point->order.act == ABORT) {
        note(point, 0);
        syscall(SYS_exit_group, ENDED);
    }
    if (point->order.act == HALT) {
        note(point, 0);
        /* To this thread: another may take a signal of the process, and this one would go on. */
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
    }
}

static int is_due(const struct point *point)
{
    return point->order.number == 0 || point->order.number == point->number;
}

/* Before the call: 0 where it may be made, else the error to give. */
static int enter(struct point *point)
{
    int saved = errno;
    point->order = read_order(point->call, point->path);
    errno = saved;
    if (!point->order.matches) return 0;
    point->number = atomic_fetch_add(&calls, 1) + 1;
    if (!is_due(point) || !point->order.before) return 0;
    if (point->order.act == FAIL) {
        note(point, point->order.error);
        return point->order.error;
    }
    act_on(point);
    errno = saved;
    return 0;
}

static void leave(const struct point *point, long result)
{
    int saved = errno;
    if (!point->order.matches) return;
    if (is_due(point) && !point->order.before) act_on(point);
    note(point, result < 0 ? saved : 0);
    errno = saved;
}

#define AROUND(point, made)                                      \
    do {                                                         \
        int error_ = enter(&(point));                            \
        if (error_) { errno = error_; return -1; }               \
        long result_ = (made);                                   \
        leave(&(point), result_);                                \
        return result_;                                          \
    } while (0)

#define ON_DESCRIPTOR(name, fd, off, len, made)                  \
    do {                                                         \
        struct point point_ = { .call = name, .offset = off, .length = len }; \
        if (!getenv("WRITE_POINTS") || !find_path(fd, point_.path)) return made; \
        point_.descriptor = fd < DESCRIPTORS ? atomic_load(&descriptors[fd]) : 0; \
        AROUND(point_, made);                                    \
    } while (0)

#define ON_PATH(name, at, made)                                  \
    do {                                                         \
        struct point point_ = { .call = name };                  \
        if (!getenv("WRITE_POINTS")) return made;                \
        snprintf(point_.path, sizeof point_.path, "%s", at);     \
        AROUND(point_, made);                                    \
    } while (0)

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    int fd = syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) atomic_store(&descriptors[fd], atomic_fetch_add(&openings, 1) + 1);
    return fd;
}

static int note_open(int directory, const char *path, int flags, mode_t mode)
{
    if (flags & O_CREAT) ON_PATH("create", path, open_at(directory, path, flags, mode));
    ON_PATH("open", path, open_at(directory, path, flags, mode));
}

#define MODE(flags, mode)                                        \
    mode_t mode = 0;                                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                       \
        va_list list;                                            \
        va_start(list, flags);                                   \
        mode = va_arg(list, mode_t);                             \
        va_end(list);                                            \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return note_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return note_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, mode) return note_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, mode) return note_open(at, path, flags, mode); }

ssize_t write(int fd, const void *bytes, size_t length)
{
    ON_DESCRIPTOR("write", fd, -1, (long long)length, syscall(SYS_write, fd, bytes, length));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ON_DESCRIPTOR("write", fd, -1, -1, syscall(SYS_writev, fd, parts, count));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    ON_DESCRIPTOR("pwrite", fd, offset, (long long)length, syscall(SYS_pwrite64, fd, bytes, length, offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    ON_DESCRIPTOR("pwrite", fd, offset, (long long)length, syscall(SYS_pwrite64, fd, bytes, length, offset));
}

ssize_t read(int fd, void *bytes, size_t length)
{
    ON_DESCRIPTOR("read", fd, -1, (long long)length, syscall(SYS_read, fd, bytes, length));
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    ON_DESCRIPTOR("pread", fd, offset, (long long)length, syscall(SYS_pread64, fd, bytes, length, offset));
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset)
{
    ON_DESCRIPTOR("pread", fd, offset, (long long)length, syscall(SYS_pread64, fd, bytes, length, offset));
}

int fsync(int fd) { ON_DESCRIPTOR("fsync", fd, -1, -1, syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { ON_DESCRIPTOR("fdatasync", fd, -1, -1, syscall(SYS_fdatasync, fd)); }

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    ON_DESCRIPTOR("sync_file_range", fd, offset, length, syscall(SYS_sync_file_range, fd, offset, length, flags));
}

int ftruncate(int fd, off_t length) { ON_DESCRIPTOR("ftruncate", fd, -1, length, syscall(SYS_ftruncate, fd, length)); }
int ftruncate64(int fd, off64_t length) { ON_DESCRIPTOR("ftruncate", fd, -1, length, syscall(SYS_ftruncate, fd, length)); }
int unlink(const char *path) { ON_PATH("unlink", path, syscall(SYS_unlinkat, AT_FDCWD, path, 0)); }
int mkdir(const char *path, mode_t mode) { ON_PATH("mkdir", path, syscall(SYS_mkdirat, AT_FDCWD, path, mode)); }

int chmod(const char *path, mode_t mode) { ON_PATH("chmod", path, syscall(SYS_fchmodat, AT_FDCWD, path, mode)); }

int rename(const char *from, const char *to)
{
    ON_PATH("rename", to, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
