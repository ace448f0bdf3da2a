/* The most multiply-adds a core does: independent chains in registers, no memory.
 *
 * usage: peak SECONDS CPU...     one pinned thread per CPU, all at once, per kernel
 * prints: NAME GIGA-OPERATIONS-PER-SECOND (all CPUs together, multiply and add counted), for each
 *         of fp32, bf16, int8, amx_bf16 and amx_int8 that this CPU has; fp32 and int8 by the widest
 *         instructions it has, from AVX2 on
 *
 * Chains: an FMA takes 4 cycles and two start per cycle, so 8 chains are the least; vdpbf16ps takes
 * longer and needs 24 to show its rate. vpdpbusd spills registers with 24, so it has 12, and AVX2
 * has 16 registers in all. AMX has eight tile registers: four sums, two tiles of either factor, each
 * pair used once a round.
 *
 * int8 without VNNI: vpmaddubsw, vpmaddwd and vpaddd do together what vpdpbusd does alone, as in
 * oneDNN's kernels for such CPUs. Only the addition waits for the one before it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 4096L

static double seconds;
static pthread_barrier_t barrier;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#define KERNEL(NAME, TARGET, CHAINS, TYPE, ZERO, SETUP, STEP, SINK)                         \
    __attribute__((target(TARGET), noinline)) static void NAME(void) {                     \
        TYPE sum[CHAINS];                                                                  \
        SETUP;                                                                             \
        _Pragma("GCC unroll 24") for (int chain = 0; chain < CHAINS; chain++)              \
            sum[chain] = ZERO;                                                             \
        for (long round = 0; round < ROUNDS; round++) {                                    \
            _Pragma("GCC unroll 24") for (int chain = 0; chain < CHAINS; chain++) {        \
                STEP;                                                                      \
                __asm__ volatile("" : "+v"(sum[chain]));                                   \
            }                                                                              \
        }                                                                                  \
        _Pragma("GCC unroll 24") for (int chain = 0; chain < CHAINS; chain++) { SINK; }    \
    }

#define KEEP __asm__ volatile("" ::"v"(sum[chain]))

KERNEL(run_fp32, "avx512f", 12, __m512, _mm512_setzero_ps(),
       __m512 a = _mm512_set1_ps(1.0f); __m512 b = _mm512_set1_ps(0.5f);
       __asm__ volatile("" : "+v"(a), "+v"(b)),
       sum[chain] = _mm512_fmadd_ps(a, b, sum[chain]), KEEP)
KERNEL(run_bf16, "avx512f,avx512bf16", 24, __m512, _mm512_setzero_ps(),
       __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80); __m512bh b = a;
       __asm__ volatile("" : "+v"(a), "+v"(b)),
       sum[chain] = _mm512_dpbf16_ps(sum[chain], a, b), KEEP)
KERNEL(run_int8, "avx512f,avx512vnni", 12, __m512i, _mm512_setzero_si512(),
       __m512i a = _mm512_set1_epi8(1); __m512i b = a;
       __asm__ volatile("" : "+v"(a), "+v"(b)),
       sum[chain] = _mm512_dpbusd_epi32(sum[chain], a, b), KEEP)

KERNEL(run_fp32_avx2, "avx2,fma", 12, __m256, _mm256_setzero_ps(),
       __m256 a = _mm256_set1_ps(1.0f); __m256 b = _mm256_set1_ps(0.5f);
       __asm__ volatile("" : "+v"(a), "+v"(b)),
       sum[chain] = _mm256_fmadd_ps(a, b, sum[chain]), KEEP)
KERNEL(run_int8_avx_vnni, "avx2,avxvnni", 12, __m256i, _mm256_setzero_si256(),
       __m256i a = _mm256_set1_epi8(1); __m256i b = a;
       __asm__ volatile("" : "+v"(a), "+v"(b)),
       sum[chain] = _mm256_dpbusd_avx_epi32(sum[chain], a, b), KEEP)

/* As intrinsics they would be moved out of the loop: the factors never change. */
#define MULTIPLY_ADD_BYTES                                                                  \
    __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"    \
                     : "+v"(sum[chain]), "=&v"(pairs) : "v"(a), "v"(b), "v"(ones))

KERNEL(run_int8_avx512, "avx512f,avx512bw", 12, __m512i, _mm512_setzero_si512(),
       __m512i a = _mm512_set1_epi8(1); __m512i b = a; __m512i ones = _mm512_set1_epi16(1);
       __m512i pairs, MULTIPLY_ADD_BYTES, KEEP)
KERNEL(run_int8_avx2, "avx2", 12, __m256i, _mm256_setzero_si256(),
       __m256i a = _mm256_set1_epi8(1); __m256i b = a; __m256i ones = _mm256_set1_epi16(1);
       __m256i pairs, MULTIPLY_ADD_BYTES, KEEP)

/* Every tile has 16 rows of 64 bytes: 16 x 16 sums of 32 bits, factors of 32 bf16 or 64 int8. */
__attribute__((target("amx-tile"))) static void load_tiles(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int tile = 0; tile < 8; tile++) config.row_bytes[tile] = 64, config.rows[tile] = 16;
    /* gcc's _tile_loadconfig claims to read 8 bytes only: keep the other stores. */
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

#define TILE_KERNEL(NAME, TARGET, MULTIPLY)                                                \
    __attribute__((target("amx-tile," TARGET), noinline)) static void NAME(void) {         \
        load_tiles();                                                                      \
        for (long round = 0; round < ROUNDS; round++) {                                    \
            MULTIPLY(0, 4, 6);                                                             \
            MULTIPLY(1, 4, 7);                                                             \
            MULTIPLY(2, 5, 6);                                                             \
            MULTIPLY(3, 5, 7);                                                             \
        }                                                                                  \
        _tile_release();                                                                   \
    }

TILE_KERNEL(run_amx_bf16, "amx-bf16", _tile_dpbf16ps)
TILE_KERNEL(run_amx_int8, "amx-int8", _tile_dpbusd)

/* AMX needs the system's permission for its large registers: ARCH_REQ_XCOMP_PERM (0x1023) of
 * XTILEDATA (18), Documentation/arch/x86/xstate.rst. CPUID 7, EDX: 22 is AMX-BF16, 25 AMX-INT8. */
static int has_amx(int bit) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
    if (!(edx >> 24 & 1) || !(edx >> bit & 1)) return 0;
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

static int has_amx_bf16(void) { return has_amx(22); }
static int has_amx_int8(void) { return has_amx(25); }
static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
static int has_fma(void) { return has_avx2() && __builtin_cpu_supports("fma"); }
static int has_avx512(void) { return __builtin_cpu_supports("avx512f"); }
static int has_avx512bw(void) { return has_avx512() && __builtin_cpu_supports("avx512bw"); }
static int has_avx512_vnni(void) { return __builtin_cpu_supports("avx512vnni"); }
static int has_avx512_bf16(void) { return __builtin_cpu_supports("avx512bf16"); }

/* CPUID 7, subleaf 1, EAX bit 4. */
static int has_avx_vnni(void) {
    unsigned eax, ebx, ecx, edx;
    return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

/* Operations of one call: chains x multiply-adds per instruction (of int8 without VNNI: per three)
 * x 2. Of the kernels of one name the first that the CPU has is run. */
static const struct kernel {
    const char *name;
    int (*supported)(void);
    void (*run)(void);
    double operations;
} kernels[] = {
    {"fp32", has_avx512, run_fp32, 12.0 * 16 * 2 * ROUNDS},
    {"fp32", has_fma, run_fp32_avx2, 12.0 * 8 * 2 * ROUNDS},
    {"bf16", has_avx512_bf16, run_bf16, 24.0 * 32 * 2 * ROUNDS},
    {"int8", has_avx512_vnni, run_int8, 12.0 * 64 * 2 * ROUNDS},
    {"int8", has_avx_vnni, run_int8_avx_vnni, 12.0 * 32 * 2 * ROUNDS},
    {"int8", has_avx512bw, run_int8_avx512, 12.0 * 64 * 2 * ROUNDS},
    {"int8", has_avx2, run_int8_avx2, 12.0 * 32 * 2 * ROUNDS},
    {"amx_bf16", has_amx_bf16, run_amx_bf16, 4.0 * 16 * 16 * 32 * 2 * ROUNDS},
    {"amx_int8", has_amx_int8, run_amx_int8, 4.0 * 16 * 16 * 64 * 2 * ROUNDS},
};

struct job {
    const struct kernel *kernel;
    int cpu;
    double rate;
};

static void *work(void *argument) {
    struct job *job = argument;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(job->cpu, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    job->kernel->run();
    pthread_barrier_wait(&barrier);
    double begin = now(), end = begin;
    long calls = 0;
    for (; end - begin < seconds; end = now(), calls++) job->kernel->run();
    job->rate = (double)calls * job->kernel->operations / (end - begin);
    return NULL;
}

int main(int count, char **words) {
    int cpus = count - 2;
    if (cpus < 1) {
        fprintf(stderr, "usage: peak SECONDS CPU...\n");
        return 2;
    }
    seconds = atof(words[1]);
    pthread_t *threads = calloc((size_t)cpus, sizeof *threads);
    struct job *jobs = calloc((size_t)cpus, sizeof *jobs);
    __builtin_cpu_init();
    const char *done = "";
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        if (!strcmp(kernels[k].name, done) || !kernels[k].supported()) continue;
        done = kernels[k].name;
        double rate = 0;
        pthread_barrier_init(&barrier, NULL, (unsigned)cpus);
        for (int i = 0; i < cpus; i++) {
            jobs[i] = (struct job){&kernels[k], atoi(words[i + 2]), 0};
            pthread_create(&threads[i], NULL, work, &jobs[i]);
        }
        for (int i = 0; i < cpus; i++) {
            pthread_join(threads[i], NULL);
            rate += jobs[i].rate;
        }
        pthread_barrier_destroy(&barrier);
        printf("%s %.1f\n", kernels[k].name, rate / 1e9);
    }
    free(threads);
    free(jobs);
    return 0;
}
