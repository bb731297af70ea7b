/* A disk that hangs: writes and syncs of files under $HANG_UNDER do not return while $HANG_WHILE exists.
 *
 * Preloaded into a daemon by audit_hangs.rs. Everything else passes, also what other files of the same
 * process need, as where one disk of several hangs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void hang(int file)
{
	const char *under = getenv("HANG_UNDER"), *until = getenv("HANG_WHILE");
	char name[64], path[4096];
	ssize_t length;
	struct timespec moment = { 0, 5 * 1000 * 1000 };

	if (!under || !until || access(until, F_OK) != 0)
		return;
	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	length = readlink(name, path, sizeof path - 1);
	if (length < 0)
		return;
	path[length] = 0;
	if (strncmp(path, under, strlen(under)) != 0)
		return;
	while (access(until, F_OK) == 0)
		nanosleep(&moment, NULL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t length)
{
	hang(file);
	return REAL(write)(file, bytes, length);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
	hang(file);
	return REAL(writev)(file, parts, count);
}

int fsync(int file)
{
	hang(file);
	return REAL(fsync)(file);
}

int fdatasync(int file)
{
	hang(file);
	return REAL(fdatasync)(file);
}
