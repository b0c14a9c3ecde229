/* Which of the instruction sets that the library was compiled for this processor has. Asked on the first
 * call, so that a library taken to an older machine ends in a message and not in SIGILL. */
#include "native.h"

int32_t tcc_tier = 0;

const char *tcc_isa(void) {
    if (tcc_library.tiers > 1 && tcc_processor_check() != TCC_OK) return "";
    return tcc_library.tier_table[__atomic_load_n(&tcc_tier, __ATOMIC_RELAXED)].name;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX, NONE = 0, YMM = 0x6, ZMM = 0xe6 };

/* Where cpuid shows a feature (LLVM's name), and the registers that the system must save for it. */
typedef struct {
    char name[20]; /* in place: a pointer would need a relocation each */
    uint32_t leaf, subleaf;
    uint8_t part, bit, saved;
} feature;

static const feature FEATURES[] = {
    {"sse3", 1, 0, ECX, 0, NONE},
    {"pclmul", 1, 0, ECX, 1, NONE},
    {"ssse3", 1, 0, ECX, 9, NONE},
    {"fma", 1, 0, ECX, 12, YMM},
    {"cx16", 1, 0, ECX, 13, NONE},
    {"sse4.1", 1, 0, ECX, 19, NONE},
    {"sse4.2", 1, 0, ECX, 20, NONE},
    {"movbe", 1, 0, ECX, 22, NONE},
    {"popcnt", 1, 0, ECX, 23, NONE},
    {"avx", 1, 0, ECX, 28, YMM},
    {"f16c", 1, 0, ECX, 29, YMM},
    {"bmi", 7, 0, EBX, 3, NONE},
    {"avx2", 7, 0, EBX, 5, YMM},
    {"bmi2", 7, 0, EBX, 8, NONE},
    {"avx512f", 7, 0, EBX, 16, ZMM},
    {"avx512dq", 7, 0, EBX, 17, ZMM},
    {"adx", 7, 0, EBX, 19, NONE},
    {"avx512ifma", 7, 0, EBX, 21, ZMM},
    {"avx512cd", 7, 0, EBX, 28, ZMM},
    {"avx512bw", 7, 0, EBX, 30, ZMM},
    {"avx512vl", 7, 0, EBX, 31, ZMM},
    {"avx512vbmi", 7, 0, ECX, 1, ZMM},
    {"avx512vbmi2", 7, 0, ECX, 6, ZMM},
    {"gfni", 7, 0, ECX, 8, NONE},
    {"vaes", 7, 0, ECX, 9, YMM},
    {"vpclmulqdq", 7, 0, ECX, 10, YMM},
    {"avx512vnni", 7, 0, ECX, 11, ZMM},
    {"avx512bitalg", 7, 0, ECX, 12, ZMM},
    {"avx512vpopcntdq", 7, 0, ECX, 14, ZMM},
    {"avx512vp2intersect", 7, 0, EDX, 8, ZMM},
    {"avx512fp16", 7, 0, EDX, 23, ZMM},
    {"avxvnni", 7, 1, EAX, 4, YMM},
    {"avx512bf16", 7, 1, EAX, 5, ZMM},
    {"lzcnt", 0x80000001u, 0, ECX, 5, NONE},
    {"sse4a", 0x80000001u, 0, ECX, 6, NONE},
};

static int has(const feature *wanted) {
    uint32_t part[4], saved = 0, unused;
    if (!__get_cpuid_count(wanted->leaf, wanted->subleaf, &part[EAX], &part[EBX], &part[ECX], &part[EDX])) return 0;
    if (!(part[wanted->part] >> wanted->bit & 1u)) return 0;
    if (wanted->saved == NONE) return 1;
    __get_cpuid(1, &part[EAX], &part[EBX], &part[ECX], &part[EDX]);
    if (!(part[ECX] >> 27 & 1u)) return 0; /* OSXSAVE */
    __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    return (saved & (uint32_t)wanted->saved) == (uint32_t)wanted->saved;
}

static int named(const char *list, const char *name) {
    const size_t length = strlen(name);
    for (; *list != '\0'; list += strcspn(list, " "), list += *list == ' ')
        if (strncmp(list, name, length) == 0 && (list[length] == ' ' || list[length] == '\0')) return 1;
    return 0;
}

/* The first feature that the processor lacks of a tier's; NULL when it has them all. */
static const char *lacking(const tcc_tier_info *tier) {
    size_t i;
    for (i = 0; i < sizeof FEATURES / sizeof FEATURES[0]; i++)
        if (named(tier->features, FEATURES[i].name) && !has(&FEATURES[i])) return FEATURES[i].name;
    return NULL;
}

/* The last tier that TCC_ISA allows; the names of levels are in the order of their digit. */
static int32_t allowed(int32_t *last) {
    static const char LEVEL[] = "x86-64-v";
    const size_t length = sizeof LEVEL - 1;
    const char *wanted = getenv("TCC_ISA");
    const char *least = tcc_library.tier_table[0].name;
    if (wanted == NULL || wanted[0] == '\0') return TCC_OK;
    if (strncmp(wanted, LEVEL, length) != 0 || wanted[length] < '1' || wanted[length] > '9' || wanted[length + 1] != '\0')
        return tcc_fail(TCC_UNSUPPORTED_PROCESSOR, "TCC_ISA is '%s', but must be an instruction set, as %s", wanted, least);
    while (*last >= 0 && strcmp(tcc_library.tier_table[*last].name, wanted) > 0) --*last;
    if (*last < 0)
        return tcc_fail(TCC_UNSUPPORTED_PROCESSOR, "TCC_ISA is '%s', but %s has no code for less than %s", wanted,
                        tcc_library.name, least);
    return TCC_OK;
}

int32_t tcc_processor_check(void) {
    int32_t tier = tcc_library.tiers - 1;
    const char *missing = NULL;
    if (tier > 0) {
        const int32_t status = allowed(&tier);
        if (status != TCC_OK) return status;
    }
    for (; tier >= 0; tier--) {
        missing = lacking(&tcc_library.tier_table[tier]);
        if (missing == NULL) {
            __atomic_store_n(&tcc_tier, tier, __ATOMIC_RELAXED);
            return TCC_OK;
        }
    }
    return tcc_fail(TCC_UNSUPPORTED_PROCESSOR,
                    "%s was compiled for processors with %s, which this one (or its system) lacks: "
                    "compile it for an older target, as x86-64-v2",
                    tcc_library.name, missing);
}

#else

int32_t tcc_processor_check(void) {
    return TCC_OK;
}

#endif
