/* custody: starts the interpreter that lies beside it, with the libraries that lie beside it.
 *
 * Linked statically, so that it needs nothing of the host: no C library, no shell, no /proc.
 * The program loader is the folder's own too; what the host says about loading programs
 * (LD_PRELOAD, /etc/ld.so.cache, /etc/ld.so.preload) and about Python and OpenSSL is not heard.
 *
 * PYTHON is the interpreter's file name, such as "python3.11"; portable/build.py gives it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifndef PYTHON
#error "-DPYTHON=\"python3.11\" is needed"
#endif

enum { CANNOT_START = 1, FIXED = 16 };

/* What steers the C library, Python or OpenSSL.  A trailing star stands for any ending. */
static const char *const STEERING[] = {
    "LD_*", "PYTHON*", "OPENSSL_*", "MALLOC_*", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR",
    "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF",
    "RES_OPTIONS", NULL,
};

extern char **environ;

static int fail(const char *thing, const char *why) {
    fprintf(stderr, "custody: error: start \"%s\": %s\n", thing, why);
    return CANNOT_START;
}

static int steers(const char *entry) {
    size_t length = strcspn(entry, "=");
    for (const char *const *name = STEERING; *name; name++) {
        size_t known = strlen(*name);
        if ((*name)[known - 1] == '*' ? !strncmp(entry, *name, known - 1)
                                      : length == known && !strncmp(entry, *name, known))
            return 1;
    }
    return 0;
}

/* The directory of this program, without a slash at its end; 0 where that cannot be known. */
static int own_directory(char *directory) {
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    if (length > 0) {
        directory[length] = '\0';
    } else { /* no /proc: the name under which the kernel was asked to start us */
        const char *asked = (const char *)getauxval(AT_EXECFN);
        if (!asked || !realpath(asked, directory)) return 0;
    }
    char *slash = strrchr(directory, '/');
    if (!slash) return 0;
    *slash = '\0';
    return 1;
}

static char *join(const char *directory, const char *rest) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, rest) < 0) _exit(fail(rest, "no memory"));
    return path;
}

int main(int argc, char **argv) {
    static char directory[PATH_MAX];
    if (!own_directory(directory)) return fail("custody", "cannot tell where it lies");
    if (strpbrk(directory, ":;$"))
        return fail(directory, "a colon, semicolon or dollar in the path of this folder is more"
                               " than the program loader takes: mount it elsewhere");

    size_t count = 0;
    while (environ[count]) count++;
    char **given = calloc((size_t)argc + FIXED, sizeof *given);
    char **kept = calloc(count + 2, sizeof *kept);
    if (!given || !kept) return fail("custody", "no memory");

    size_t at = 0;
    for (char **entry = environ; *entry; entry++)
        if (!steers(*entry)) kept[at++] = *entry;
    char *conf = join(directory, "lib/openssl.cnf");
    if (asprintf(&kept[at], "OPENSSL_CONF=%s", conf) < 0) return fail("custody", "no memory");

    char *loader = join(directory, "lib/ld-linux-x86-64.so.2");
    char *python = join(directory, "python/bin/" PYTHON);
    at = 0;
    given[at++] = loader;
    given[at++] = "--inhibit-cache";
    given[at++] = "--library-path";
    given[at++] = join(directory, "lib");
    given[at++] = "--argv0";
    given[at++] = python; /* from which Python finds its own library */
    given[at++] = python;
    given[at++] = "-I"; /* hear no variable, look into no directory of the user's or the host's */
    given[at++] = "-S";
    given[at++] = "-B"; /* write no bytecode */
    given[at++] = "-Xutf8";
    given[at++] = join(directory, "app/start.py");
    for (int number = 1; number < argc; number++) given[at++] = argv[number];

    execve(loader, given, kept);
    return fail(loader, strerror(errno));
}
