// What NVRTC knows without a header, for clang's CUDA front end: attributes, indices, vector types and the functions that the
// translator writes. Functions are only declared: what is checked is that a kernel is C++ that becomes PTX.
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

typedef unsigned long size_t;
struct uint3 { unsigned int x, y, z; };
struct __attribute__((aligned(16))) uint4 { unsigned int x, y, z, w; };
struct __attribute__((aligned(16))) float4 { float x, y, z, w; };
#define threadIdx (uint3 { (unsigned)__nvvm_read_ptx_sreg_tid_x(), (unsigned)__nvvm_read_ptx_sreg_tid_y(), (unsigned)__nvvm_read_ptx_sreg_tid_z() })
#define blockIdx (uint3 { (unsigned)__nvvm_read_ptx_sreg_ctaid_x(), (unsigned)__nvvm_read_ptx_sreg_ctaid_y(), (unsigned)__nvvm_read_ptx_sreg_ctaid_z() })
#define blockDim (uint3 { (unsigned)__nvvm_read_ptx_sreg_ntid_x(), (unsigned)__nvvm_read_ptx_sreg_ntid_y(), (unsigned)__nvvm_read_ptx_sreg_ntid_z() })
#define gridDim (uint3 { (unsigned)__nvvm_read_ptx_sreg_nctaid_x(), (unsigned)__nvvm_read_ptx_sreg_nctaid_y(), (unsigned)__nvvm_read_ptx_sreg_nctaid_z() })
#define warpSize 32

#define DEVICE static __device__ __forceinline__
DEVICE int __float_as_int(float value) { return __builtin_bit_cast(int, value); }
DEVICE unsigned int __float_as_uint(float value) { return __builtin_bit_cast(unsigned int, value); }
DEVICE float __int_as_float(int bits) { return __builtin_bit_cast(float, bits); }
DEVICE float __uint_as_float(unsigned int bits) { return __builtin_bit_cast(float, bits); }
DEVICE int min(int x, int y) { return x < y ? x : y; }
DEVICE int max(int x, int y) { return x > y ? x : y; }
DEVICE unsigned int min(unsigned int x, unsigned int y) { return x < y ? x : y; }
DEVICE unsigned int max(unsigned int x, unsigned int y) { return x > y ? x : y; }
DEVICE int abs(int x) { return x < 0 ? -x : x; }
DEVICE float fmaf(float x, float y, float z) { return __nvvm_fma_rn_f(x, y, z); }
DEVICE float fabsf(float x) { return __builtin_fabsf(x); }
DEVICE float sqrtf(float x) { return __nvvm_sqrt_rn_f(x); }
DEVICE float floorf(float x) { return __nvvm_floor_f(x); }
DEVICE float ceilf(float x) { return __nvvm_ceil_f(x); }
DEVICE float truncf(float x) { return __nvvm_trunc_f(x); }
DEVICE float rintf(float x) { return __nvvm_round_f(x); }
extern "C" __device__ float expf(float) __attribute__((nothrow));
extern "C" __device__ float logf(float) __attribute__((nothrow));
extern "C" __device__ float powf(float, float) __attribute__((nothrow));
extern "C" __device__ float tanhf(float) __attribute__((nothrow));
extern "C" __device__ float sinf(float) __attribute__((nothrow));
extern "C" __device__ float cosf(float) __attribute__((nothrow));
extern "C" __device__ int __dp4a(int, int, int);
DEVICE int atomicAdd(int* target, int value) { return __nvvm_atom_add_gen_i(target, value); }
DEVICE unsigned int atomicAdd(unsigned int* target, unsigned int value) { return (unsigned int)__nvvm_atom_add_gen_i((int*)target, (int)value); }
DEVICE float atomicAdd(float* target, float value) { return __nvvm_atom_add_gen_f(target, value); }
DEVICE int atomicMin(int* target, int value) { return __nvvm_atom_min_gen_i(target, value); }
DEVICE int atomicMax(int* target, int value) { return __nvvm_atom_max_gen_i(target, value); }
DEVICE unsigned int atomicMin(unsigned int* target, unsigned int value) { return __nvvm_atom_min_gen_ui(target, value); }
DEVICE unsigned int atomicMax(unsigned int* target, unsigned int value) { return __nvvm_atom_max_gen_ui(target, value); }
DEVICE unsigned int atomicAnd(unsigned int* target, unsigned int value) { return (unsigned int)__nvvm_atom_and_gen_i((int*)target, (int)value); }
DEVICE unsigned int atomicOr(unsigned int* target, unsigned int value) { return (unsigned int)__nvvm_atom_or_gen_i((int*)target, (int)value); }
DEVICE unsigned int atomicXor(unsigned int* target, unsigned int value) { return (unsigned int)__nvvm_atom_xor_gen_i((int*)target, (int)value); }
DEVICE int atomicExch(int* target, int value) { return __nvvm_atom_xchg_gen_i(target, value); }
DEVICE unsigned int atomicExch(unsigned int* target, unsigned int value) { return (unsigned int)__nvvm_atom_xchg_gen_i((int*)target, (int)value); }
DEVICE int atomicCAS(int* target, int compare, int value) { return __nvvm_atom_cas_gen_i(target, compare, value); }
DEVICE unsigned int atomicCAS(unsigned int* target, unsigned int compare, unsigned int value) { return (unsigned int)__nvvm_atom_cas_gen_i((int*)target, (int)compare, (int)value); }
DEVICE int __shfl_sync(unsigned int mask, int value, int lane) { return __nvvm_shfl_sync_idx_i32(mask, value, lane, 31); }
DEVICE float __shfl_sync(unsigned int mask, float value, int lane) { return __nvvm_shfl_sync_idx_f32(mask, value, lane, 31); }
DEVICE int __shfl_down_sync(unsigned int mask, int value, int delta) { return __nvvm_shfl_sync_down_i32(mask, value, delta, 31); }
DEVICE float __shfl_down_sync(unsigned int mask, float value, int delta) { return __nvvm_shfl_sync_down_f32(mask, value, delta, 31); }
DEVICE int __shfl_xor_sync(unsigned int mask, int value, int lanes) { return __nvvm_shfl_sync_bfly_i32(mask, value, lanes, 31); }
DEVICE float __shfl_xor_sync(unsigned int mask, float value, int lanes) { return __nvvm_shfl_sync_bfly_f32(mask, value, lanes, 31); }
