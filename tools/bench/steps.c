/* Counts the instructions that a program executes between markers, address by address, by stepping through them.
 *
 *   steps OUTPUT MOST PROGRAM ARGUMENTS...
 *
 * A marker is a SIGUSR1 that the program's first thread raises: the first begins an interval, the second ends it, and
 * so on. Within an interval every thread is stepped. An interval ends early after MOST stops.
 *
 * A stop costs ten microseconds and more, so that a loop whose body has no other branch is not stepped to its end: once
 * its iterations are seen to change some registers by the same amounts, it runs to a breakpoint behind it, and what the
 * registers changed by says how often it went round. A repeated string instruction runs to its end likewise.
 *
 * OUTPUT has for each interval `interval STEPS STATE`, where STATE is `whole`, `cut` after MOST stops or `doubtful`
 * when no register told how often a loop went round; then `map BEGIN END NAME` for what is mapped to execute, and
 * `at ADDRESS COUNT BYTES` for each instruction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MARKER = SIGUSR1, THREADS = 256, BODY = 1024, LOOPS = 4096, REGISTERS = 14, LONGEST = 15, SMALL = 1 << 24, REFUSED = 126 };

/* ---- how often each address was executed ---- */

static struct { uint64_t address, count; } *table;
static size_t table_size, table_used;

static size_t slot(uint64_t address) {
    size_t i = (address * 0x9E3779B97F4A7C15u >> 20) & (table_size - 1);
    while (table[i].address && table[i].address != address) i = (i + 1) & (table_size - 1);
    return i;
}

static void clear(void) {
    free(table);
    table_size = 1 << 16, table_used = 0;
    table = calloc(table_size, sizeof *table);
    if (!table) exit(1);
}

static void count(uint64_t address, uint64_t times) {
    if (2 * table_used >= table_size) {
        size_t before = table_size;
        void *old = table;
        struct { uint64_t address, count; } *from = old;
        table_size *= 2, table_used = 0;
        table = calloc(table_size, sizeof *table);
        if (!table) exit(1);
        for (size_t i = 0; i < before; i++)
            if (from[i].address) count(from[i].address, from[i].count);
        free(old);
    }
    size_t i = slot(address);
    table_used += !table[i].address;
    table[i].address = address;
    table[i].count += times;
}

/* ---- threads ---- */

typedef struct { uint64_t r[REGISTERS]; } registers;

typedef struct {
    pid_t id;
    uint64_t at;              /* where the next instruction is; 0: not known */
    uint64_t body[BODY];      /* what was executed since the last jump back */
    int length;               /* of the body; BODY: too long */
    uint64_t before[BODY];    /* the same for the iteration before */
    int length_before;
    int seen;                 /* how many registers' values of consecutive iterations are kept, up to 3 */
    registers kept[3];        /* the latest first */
    enum { STEPPING, TO_END_OF_LOOP, TO_END_OF_STRING } doing;
    uint64_t end;             /* where the breakpoint is */
} thread;

static thread threads[THREADS];
static int thread_count;
static pid_t process;
static uint64_t steps, stops, most;
static int doubtful;

/* Loops whose registers have been seen to change evenly. */
static uint64_t known[LOOPS];

static int loop_known(uint64_t branch) { return known[(branch * 0x9E3779B97F4A7C15u) >> 52] == branch; }
static void remember(uint64_t branch) { known[(branch * 0x9E3779B97F4A7C15u) >> 52] = branch; }

static thread *find(pid_t id) {
    for (int i = 0; i < thread_count; i++)
        if (threads[i].id == id) return &threads[i];
    return NULL;
}

static thread *added(pid_t id) {
    thread *t = find(id);
    if (t) return t;
    if (thread_count == THREADS) {
        fprintf(stderr, "steps: too many threads\n");
        exit(1);
    }
    t = &threads[thread_count++];
    memset(t, 0, sizeof *t);
    t->id = id;
    return t;
}

static void lost(thread *t) { *t = threads[--thread_count]; }

static uint64_t where(pid_t id) {
    return (uint64_t)ptrace(PTRACE_PEEKUSER, id, offsetof(struct user_regs_struct, rip), NULL);
}

static registers values(pid_t id) {
    struct user_regs_struct u = {0};
    ptrace(PTRACE_GETREGS, id, NULL, &u);
    return (registers){{u.rax, u.rbx, u.rcx, u.rdx, u.rsi, u.rdi, u.rbp, u.r8, u.r9, u.r10, u.r11, u.r12, u.r13, u.r14}};
}

static size_t code(uint64_t address, unsigned char *to, size_t size) {
    struct iovec here = {to, size}, there = {(void *)(uintptr_t)address, size};
    ssize_t got = process_vm_readv(process, &here, 1, &there, 1, 0);
    if (got < 0 && size > 1) return code(address, to, (size_t)(4096 - address % 4096) < size ? 4096 - address % 4096 : 1);
    return got < 0 ? 0 : (size_t)got;
}

static void run_to(thread *t, uint64_t end) {
    t->end = end;
    ptrace(PTRACE_POKEUSER, t->id, offsetof(struct user, u_debugreg[0]), end);
    ptrace(PTRACE_POKEUSER, t->id, offsetof(struct user, u_debugreg[7]), 1);
    ptrace(PTRACE_CONT, t->id, NULL, NULL);
}

static void step(const thread *t, int signal) { ptrace(PTRACE_SINGLESTEP, t->id, NULL, signal); }

static void forget(thread *t) {
    t->length = t->length_before = t->seen = 0;
}

/* ---- loops ---- */

/* Whether the instruction is a jump under a condition, by its bytes and its length. */
static int conditional(const unsigned char *b, uint64_t length) {
    return (length == 2 && ((b[0] & 0xF0) == 0x70 || (b[0] >= 0xE0 && b[0] <= 0xE3))) ||
           (length == 6 && b[0] == 0x0F && (b[1] & 0xF0) == 0x80);
}

/* The address behind the loop, when its body is left by the jump back at its end only; else 0. */
static uint64_t behind(const thread *t) {
    unsigned char b[LONGEST];
    for (int i = 0; i < t->length; i++) {
        if (code(t->body[i], b, sizeof b) < sizeof b) return 0;
        if (i == t->length - 1) {
            uint64_t length = b[0] == 0x0F ? 6 : 2;
            return conditional(b, length) && b[0] < 0xE0 ? t->body[i] + length : 0;
        }
        uint64_t length = t->body[i + 1] - t->body[i];
        if (t->body[i + 1] <= t->body[i] || length > LONGEST) return 0;
        if (conditional(b, length) || (b[0] == 0x0F && b[1] == 0x05)) return 0;
    }
    return 0;
}

/* Whether a register changes by the same small amount in each iteration: what is hashed or gathered changes at will. */
static int even(const thread *t, int r) {
    int64_t by = (int64_t)(t->kept[0].r[r] - t->kept[1].r[r]);
    int same = t->seen < 3 || t->kept[1].r[r] - t->kept[2].r[r] == (uint64_t)by;
    return by && by < SMALL && by > -SMALL && same;
}

/* After a jump back to `head`: whether the loop is to run to its end, which is then begun. */
static int looping(thread *t) {
    if (t->length == BODY || t->length != t->length_before ||
        memcmp(t->body, t->before, sizeof *t->body * (size_t)t->length)) {
        t->seen = 0;
        return 0;
    }
    uint64_t branch = t->body[t->length - 1];
    t->kept[2] = t->kept[1], t->kept[1] = t->kept[0], t->kept[0] = values(t->id);
    t->seen += t->seen < 3;
    if (t->seen < (loop_known(branch) ? 2 : 3)) return 0;
    int some = 0;
    for (int r = 0; r < REGISTERS; r++) some |= even(t, r);
    uint64_t end = some ? behind(t) : 0;
    if (!end) return 0;
    remember(branch);
    t->doing = TO_END_OF_LOOP;
    run_to(t, end);
    return 1;
}

/* At the end of a loop that ran: the iterations that most of the registers tell, of equals the finest one. */
static void looped(thread *t) {
    registers now = values(t->id);
    struct { int64_t by, times; } told[REGISTERS];
    int n = 0, votes = 0;
    int64_t best = 0, finest = 0;
    for (int r = 0; r < REGISTERS; r++) {
        int64_t by = (int64_t)(t->kept[0].r[r] - t->kept[1].r[r]), all = (int64_t)(now.r[r] - t->kept[0].r[r]);
        if (even(t, r) && all % by == 0 && all / by > 0) told[n].by = llabs(by), told[n++].times = all / by;
    }
    for (int i = 0; i < n; i++) {
        int agree = 0;
        for (int j = 0; j < n; j++) agree += told[j].times == told[i].times;
        if (agree > votes || (agree == votes && told[i].by < finest))
            votes = agree, best = told[i].times, finest = told[i].by;
    }
    if (!n) doubtful = 1;
    for (int i = 0; i < t->length_before; i++) count(t->before[i], (uint64_t)best);
    steps += (uint64_t)best * (uint64_t)t->length_before;
    forget(t);
}

/* The length of a repeated string instruction; 0 for another. */
static uint64_t repeated(uint64_t address) {
    unsigned char b[LONGEST];
    size_t n = code(address, b, sizeof b), i = 0;
    int prefix = 0;
    for (; i < n && (b[i] == 0x66 || b[i] == 0xF2 || b[i] == 0xF3 || (b[i] & 0xF0) == 0x40); i++)
        prefix |= b[i] == 0xF2 || b[i] == 0xF3;
    return prefix && i < n && ((b[i] >= 0xA4 && b[i] <= 0xA7) || (b[i] >= 0xAA && b[i] <= 0xAF)) ? i + 1 : 0;
}

/* A thread has executed the instruction at `t->at` and goes on. */
static void stepped(thread *t) {
    uint64_t now = where(t->id), last = t->at;
    stops++;
    t->at = now;
    if (t->doing != STEPPING) {
        ptrace(PTRACE_POKEUSER, t->id, offsetof(struct user, u_debugreg[7]), 0);
        if (t->doing == TO_END_OF_LOOP) looped(t);
        if (now != t->end) doubtful = 1;
        t->doing = STEPPING;
        step(t, 0);
        return;
    }
    if (last && last == now) {
        uint64_t length = repeated(now);
        if (length) {
            count(now, 1);
            steps++;
            forget(t);
            t->doing = TO_END_OF_STRING;
            run_to(t, now + length);
            return;
        }
    }
    if (last) {
        count(last, 1);
        steps++;
        if (t->length < BODY) t->body[t->length++] = last;
        if (now < last) {
            int runs = t->length > 1 && t->body[0] == now && looping(t);
            memcpy(t->before, t->body, sizeof *t->body * (size_t)t->length);
            t->length_before = t->length;
            t->length = 0;
            if (runs) return;
        }
    }
    step(t, 0);
}

/* ---- intervals ---- */

/* Stops the process's other threads, which are stepped from there on: those that wait go on waiting. */
static void interrupt(void) {
    for (int i = 0; i < thread_count; i++) {
        threads[i].at = 0;
        threads[i].doing = STEPPING;
        forget(&threads[i]);
        if (threads[i].id != process) ptrace(PTRACE_INTERRUPT, threads[i].id, NULL, NULL);
    }
}

static void report(FILE *out, const char *state) {
    char path[64], text[4096], name[4096], rights[8];
    unsigned long begin, end;
    fprintf(out, "interval %llu %s\n", (unsigned long long)steps, state);
    snprintf(path, sizeof path, "/proc/%d/maps", process);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(text, sizeof text, maps)) {
        *name = 0;
        if (sscanf(text, "%lx-%lx %7s %*s %*s %*s %4095[^\n]", &begin, &end, rights, name) >= 3 && rights[2] == 'x')
            fprintf(out, "map %lx %lx %s\n", begin, end, name);
    }
    if (maps) fclose(maps);
    for (size_t i = 0; i < table_size; i++) {
        unsigned char b[LONGEST];
        if (!table[i].address) continue;
        size_t n = code(table[i].address, b, sizeof b);
        fprintf(out, "at %llx %llu ", (unsigned long long)table[i].address, (unsigned long long)table[i].count);
        for (size_t j = 0; j < n; j++) fprintf(out, "%02x", b[j]);
        fprintf(out, "\n");
    }
    fflush(out);
}

static void begin(void) {
    clear();
    steps = stops = 0;
    doubtful = 0;
    interrupt();
    find(process)->at = where(process);
    step(find(process), 0);
}

static void usage(void) {
    fprintf(stderr, "steps OUTPUT MOST PROGRAM ARGUMENTS...\n");
    exit(2);
}

int main(int arguments, char **argument) {
    if (arguments < 4) usage();
    FILE *out = fopen(argument[1], "w");
    most = strtoull(argument[2], NULL, 10);
    if (!out || !most) usage();
    int ready[2], status, within = 0;
    if (pipe(ready) != 0) return 1;
    process = fork();
    if (process == 0) {
        char go;
        close(ready[1]);
        if (read(ready[0], &go, 1) != 1) _exit(REFUSED);
        close(ready[0]);
        execvp(argument[3], argument + 3);
        _exit(127);
    }
    close(ready[0]);
    if (ptrace(PTRACE_SEIZE, process, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0) return REFUSED;
    if (write(ready[1], "", 1) != 1) return 1;
    close(ready[1]);
    added(process);
    for (;;) {
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0) return errno == ECHILD ? 0 : 1;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (id == process) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            if (find(id)) lost(find(id));
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        thread *t = find(id) ? find(id) : added(id);
        if (id == process && signal == MARKER && !event) {
            if (within) {
                report(out, doubtful ? "doubtful" : "whole");
                ptrace(PTRACE_CONT, process, NULL, NULL);
            } else
                begin();
            within = !within;
        } else if (!within) {
            ptrace(PTRACE_CONT, id, NULL, event || signal == SIGTRAP ? 0 : signal);
        } else if (stops >= most) {
            report(out, "cut");
            return 0;
        } else if (event) {
            if (!t->at) t->at = where(id);
            step(t, 0);
        } else if (signal == SIGTRAP) {
            stepped(t);
        } else {
            if (t->doing != STEPPING) doubtful = 1;
            t->doing = STEPPING;
            t->at = 0;
            forget(t);
            step(t, signal);
        }
    }
}
