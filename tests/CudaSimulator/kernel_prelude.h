// What a CUDA C++ kernel finds when it is compiled for the CPU: the words of the language and the built-in functions that the
// translator uses. The simulator includes this file as text in front of every program.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3_ { unsigned int x, y, z; };
struct uint4 { unsigned int x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };

// Set by the simulator: one thread runs at a time.
extern "C" {
dim3_ threadIdx, blockIdx, blockDim, gridDim;
void (*simulator_wait)(int kind);
void* (*simulator_lane)(int lane);
}
static const int warpSize = 32;
uint4 shared_memory[(228 << 10) / sizeof(uint4)];
extern "C" { void* simulator_shared = shared_memory; }

static inline void __syncthreads() { simulator_wait(0); }
static inline int __float_as_int(float value) { int bits; memcpy(&bits, &value, 4); return bits; }
static inline unsigned int __float_as_uint(float value) { unsigned int bits; memcpy(&bits, &value, 4); return bits; }
static inline float __int_as_float(int bits) { float value; memcpy(&value, &bits, 4); return value; }
static inline float __uint_as_float(unsigned int bits) { float value; memcpy(&value, &bits, 4); return value; }
static inline int min(int x, int y) { return x < y ? x : y; }
static inline int max(int x, int y) { return x > y ? x : y; }
static inline unsigned int min(unsigned int x, unsigned int y) { return x < y ? x : y; }
static inline unsigned int max(unsigned int x, unsigned int y) { return x > y ? x : y; }

template<class T> T simulator_replace(T* target, T value) { T before = *target; *target = value; return before; }
template<class T, class V> T atomicAdd(T* target, V value) { return simulator_replace<T>(target, *target + (T)value); }
template<class T, class V> T atomicMin(T* target, V value) { return simulator_replace<T>(target, (T)value < *target ? (T)value : *target); }
template<class T, class V> T atomicMax(T* target, V value) { return simulator_replace<T>(target, (T)value > *target ? (T)value : *target); }
template<class T, class V> T atomicAnd(T* target, V value) { return simulator_replace<T>(target, *target & (T)value); }
template<class T, class V> T atomicOr(T* target, V value) { return simulator_replace<T>(target, *target | (T)value); }
template<class T, class V> T atomicXor(T* target, V value) { return simulator_replace<T>(target, *target ^ (T)value); }
template<class T, class V> T atomicExch(T* target, V value) { return simulator_replace<T>(target, (T)value); }
template<class T, class C, class V> T atomicCAS(T* target, C compare, V value) { return simulator_replace<T>(target, *target == (T)compare ? (T)value : *target); }

static inline int simulator_lane_index() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32; }
template<class T> T simulator_exchange(T value, int lane)
{
    int self = simulator_lane_index();
    memcpy(simulator_lane(self), &value, sizeof(T));
    simulator_wait(1);
    // A lane outside the warp leaves the value as it is.
    if (lane >= 0 && lane < 32) memcpy(&value, simulator_lane(lane), sizeof(T));
    simulator_wait(1);
    return value;
}
template<class T> T __shfl_sync(unsigned int, T value, int lane) { return simulator_exchange(value, lane & 31); }
template<class T> T __shfl_down_sync(unsigned int, T value, int delta) { return simulator_exchange(value, simulator_lane_index() + delta); }
template<class T> T __shfl_xor_sync(unsigned int, T value, int mask) { return simulator_exchange(value, simulator_lane_index() ^ mask); }

// How the simulator calls a kernel: the launch gives an array of pointers to arguments.
template<class... A, size_t... I> void simulator_call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>)
{
    kernel(*(std::remove_const_t<A>*)arguments[I]...);
}
template<class... A> void simulator_run(void (*kernel)(A...), void** arguments) { simulator_call(kernel, arguments, std::index_sequence_for<A...>()); }
template<class... A> int simulator_sizes(void (*)(A...), size_t* sizes)
{
    size_t all[] = { sizeof(A)... };
    memcpy(sizes, all, sizeof all);
    return sizeof...(A);
}
