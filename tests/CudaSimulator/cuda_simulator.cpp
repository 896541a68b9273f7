// A CUDA driver and an NVRTC whose device is the CPU: it compiles CUDA C++ with the C++ compiler of the machine and runs every
// thread of a group as a fiber. It exists for tests on machines without a GPU: the calls and their arguments are those of the real
// libraries, memory is bounded, errors can be ordered, and mistakes that a GPU may forgive are errors here (a barrier that some
// threads do not reach, a copy outside an allocation, a store beside one).
#include <dlfcn.h>
#include <elf.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

const int kOutOfMemory = 2, kInvalidValue = 1, kInvalidImage = 200, kNotFound = 500, kIllegalAddress = 700, kLaunchFailed = 719, kCaptureUnsupported = 900;
const size_t kGuard = 256, kStack = 128 << 10;

size_t memory_limit = (size_t)1 << 30, memory_used = 0;
int sticky = 0;
std::map<std::string, int> call_counts;
struct Order { int code, after; };
std::map<std::string, Order> orders;
std::map<uintptr_t, size_t> allocations;

// Counts a call, and gives the error that a test ordered for it.
int called(const char* name)
{
    call_counts[name]++;
    if (sticky) return sticky;
    auto order = orders.find(name);
    if (order == orders.end() || order->second.after-- > 0) return 0;
    int code = order->second.code;
    orders.erase(order);
    if (code == kIllegalAddress || code == kLaunchFailed) sticky = code;
    return code;
}
#define CALL(name) if (int code = called(name)) return code

bool inside(uintptr_t start, size_t bytes)
{
    auto next = allocations.upper_bound(start);
    if (next == allocations.begin()) return false;
    --next;
    return start + bytes <= next->first + next->second;
}

bool guards_hold()
{
    for (auto& [start, bytes] : allocations)
    {
        for (size_t i = 0; i < kGuard; i++)
        {
            if (((unsigned char*)start)[-1 - (ptrdiff_t)i] != 0xA5 || ((unsigned char*)start)[bytes + i] != 0xA5) return false;
        }
    }
    return true;
}

struct Module { void* library; };

struct Function
{
    void (*run)(void**);
    std::vector<size_t> sizes;
    unsigned int (*indices[4])[3];
    void* shared;
    void (**wait)(int);
    void* (**lane)(int);
    int max_dynamic_shared = 48 << 10;
};

enum class State { Ready, AtBarrier, InWarp, Done };

struct Fiber
{
    ucontext_t context;
    State state;
    std::vector<char> stack = std::vector<char>(kStack);
};

// The group that runs.
std::vector<Fiber> fibers;
ucontext_t scheduler;
int current;
Function* running;
void** running_arguments;
std::vector<uint64_t> lanes;

void wait(int kind)
{
    int self = current;
    fibers[self].state = kind == 0 ? State::AtBarrier : State::InWarp;
    swapcontext(&fibers[self].context, &scheduler);
}

void* lane(int index) { return &lanes[(current / 32 * 32) + index]; }

void enter()
{
    running->run(running_arguments);
    fibers[current].state = State::Done;
    swapcontext(&fibers[current].context, &scheduler);
}

int run_group(const unsigned int* group)
{
    int count = group[0] * group[1] * group[2];
    for (int i = 0; i < count; i++)
    {
        Fiber& fiber = fibers[i];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = kStack;
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, enter, 0);
        fiber.state = State::Ready;
    }
    for (;;)
    {
        int at_barrier = 0, done = 0, in_warp = 0;
        for (current = 0; current < count; current++)
        {
            Fiber& fiber = fibers[current];
            if (fiber.state == State::Ready)
            {
                unsigned int* thread = *running->indices[0];
                thread[0] = current % group[0];
                thread[1] = current / group[0] % group[1];
                thread[2] = current / group[0] / group[1];
                swapcontext(&scheduler, &fiber.context);
            }
            at_barrier += fiber.state == State::AtBarrier;
            in_warp += fiber.state == State::InWarp;
            done += fiber.state == State::Done;
        }
        if (done == count) return 0;
        if (in_warp == 0 && at_barrier < count)
        {
            fprintf(stderr, "simulated CUDA: %d of %d threads ended before a barrier that the others wait at\n", done, count);
            return kLaunchFailed;
        }
        State released = in_warp > 0 ? State::InWarp : State::AtBarrier;
        for (int i = 0; i < count; i++)
        {
            if (fibers[i].state == released) fibers[i].state = State::Ready;
        }
    }
}

int run(Function* function, const unsigned int* grid, const unsigned int* group, unsigned int shared, void** arguments)
{
    size_t count = (size_t)group[0] * group[1] * group[2];
    if (count == 0 || count > 1024 || grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[1] > 65535 || grid[2] > 65535) return kInvalidValue;
    if ((int)shared > function->max_dynamic_shared) return kInvalidValue;
    if (fibers.size() < count) fibers.resize(count);
    lanes.resize((count + 31) / 32 * 32);
    running = function;
    running_arguments = arguments;
    *function->wait = wait;
    *function->lane = lane;
    memcpy(*function->indices[2], group, 12);
    memcpy(*function->indices[3], grid, 12);
    for (unsigned int z = 0; z < grid[2]; z++)
    {
        for (unsigned int y = 0; y < grid[1]; y++)
        {
            for (unsigned int x = 0; x < grid[0]; x++)
            {
                unsigned int index[3] = { x, y, z };
                memcpy(*function->indices[1], index, 12);
                // Shared memory begins as anything: here as NaN.
                memset(function->shared, 0xFF, shared);
                if (int code = run_group(group)) return sticky = code;
            }
        }
    }
    if (!guards_hold()) return sticky = kIllegalAddress;
    return 0;
}

struct Node
{
    Function* function;
    unsigned int grid[3], group[3], shared;
    std::vector<std::vector<char>> arguments;
};

struct Graph { std::vector<Node> nodes; };

Graph* capturing = nullptr;

struct Program
{
    std::string source, log, image;
};

double now()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

std::string read_file(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// The name of the kernel: the program has one, extern "C".
std::string kernel_name(const std::string& source)
{
    size_t end = source.find('(', source.find("__global__ void"));
    if (source.compare(source.find("__global__ void") + 16, 17, "__launch_bounds__") == 0) end = source.find('(', source.find(')', end));
    size_t start = source.find_last_of(" \n", end) + 1;
    return source.substr(start, end - start);
}

}  // namespace

extern "C" {

// What tests order and ask.
void simulator_reset() { sticky = 0; orders.clear(); call_counts.clear(); memory_limit = (size_t)1 << 30; }
void simulator_fail(const char* call, int code, int after) { orders[call] = { code, after }; }
int simulator_calls(const char* call) { return call_counts[call]; }
void simulator_limit(size_t bytes) { memory_limit = memory_used + bytes; }

int cuInit(unsigned int) { CALL("cuInit"); return 0; }
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuGetErrorName(int code, const char** name)
{
    static const std::map<int, const char*> names = {
        { 1, "CUDA_ERROR_INVALID_VALUE" }, { 2, "CUDA_ERROR_OUT_OF_MEMORY" }, { 200, "CUDA_ERROR_INVALID_IMAGE" }, { 500, "CUDA_ERROR_NOT_FOUND" },
        { 700, "CUDA_ERROR_ILLEGAL_ADDRESS" }, { 719, "CUDA_ERROR_LAUNCH_FAILED" }, { 900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" } };
    auto found = names.find(code);
    *name = found == names.end() ? "CUDA_ERROR_UNKNOWN" : found->second;
    return 0;
}
int cuDeviceGetCount(int* count) { CALL("cuDeviceGetCount"); *count = 1; return 0; }
int cuDeviceGet(int* device, int index) { CALL("cuDeviceGet"); *device = 40 + index; return index == 0 ? 0 : 101; }
int cuDeviceGetName(char* name, int bytes, int device) { snprintf(name, bytes, "CUDA simulated on the CPU"); return device == 40 ? 0 : 101; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { *bytes = memory_limit; return 0; }
int cuDeviceGetAttribute(int* value, int what, int device)
{
    static const std::map<int, int> values = { { 1, 1024 }, { 8, 48 << 10 }, { 10, 32 }, { 16, 108 }, { 75, 8 }, { 76, 0 }, { 97, 163 << 10 } };
    auto found = values.find(what);
    if (device != 40 || found == values.end()) return kInvalidValue;
    *value = found->second;
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) { CALL("cuDevicePrimaryCtxRetain"); *context = (void*)0x77; return 0; }
int cuDevicePrimaryCtxRelease_v2(int) { CALL("cuDevicePrimaryCtxRelease"); return 0; }
int cuCtxSetCurrent(void* context) { return context == (void*)0x77 ? 0 : 201; }

int cuMemAlloc_v2(uintptr_t* memory, size_t bytes)
{
    CALL("cuMemAlloc");
    if (memory_used + bytes > memory_limit) return kOutOfMemory;
    char* block = (char*)aligned_alloc(kGuard, (bytes + 3 * kGuard - 1) / kGuard * kGuard);
    if (!block) return kOutOfMemory;
    memset(block, 0xA5, kGuard);
    memset(block + kGuard, 0xFF, bytes);
    memset(block + kGuard + bytes, 0xA5, kGuard);
    *memory = (uintptr_t)block + kGuard;
    allocations[*memory] = bytes;
    memory_used += bytes;
    return 0;
}
int cuMemFree_v2(uintptr_t memory)
{
    call_counts["cuMemFree"]++;
    auto found = allocations.find(memory);
    if (found == allocations.end()) return kInvalidValue;
    memory_used -= found->second;
    allocations.erase(found);
    free((char*)memory - kGuard);
    return 0;
}
int cuMemHostAlloc(void** memory, size_t bytes, unsigned int) { CALL("cuMemHostAlloc"); *memory = malloc(bytes); return 0; }
int cuMemFreeHost(void* memory) { free(memory); return 0; }
int cuMemcpyHtoDAsync_v2(uintptr_t target, const void* source, size_t bytes, void*)
{
    CALL("cuMemcpyHtoDAsync");
    if (capturing) return kCaptureUnsupported;
    if (!inside(target, bytes)) return kInvalidValue;
    memcpy((void*)target, source, bytes);
    return 0;
}
int cuMemcpyDtoHAsync_v2(void* target, uintptr_t source, size_t bytes, void*)
{
    CALL("cuMemcpyDtoHAsync");
    if (capturing) return kCaptureUnsupported;
    if (!inside(source, bytes)) return kInvalidValue;
    memcpy(target, (void*)source, bytes);
    return 0;
}

int cuStreamCreate(void** stream, unsigned int) { CALL("cuStreamCreate"); *stream = (void*)0x55; return 0; }
int cuStreamDestroy_v2(void*) { return 0; }
int cuStreamSynchronize(void*) { CALL("cuStreamSynchronize"); return 0; }
int cuEventCreate(void** event, unsigned int) { CALL("cuEventCreate"); *event = new double(0); return 0; }
int cuEventDestroy_v2(void* event) { delete (double*)event; return 0; }
int cuEventRecord(void* event, void*) { CALL("cuEventRecord"); *(double*)event = now(); return 0; }
int cuEventSynchronize(void*) { CALL("cuEventSynchronize"); return 0; }
int cuEventElapsedTime(float* milliseconds, void* start, void* end) { *milliseconds = (float)(*(double*)end - *(double*)start); return 0; }

int cuModuleLoadData(void** module, const void* image)
{
    CALL("cuModuleLoadData");
    const Elf64_Ehdr* header = (const Elf64_Ehdr*)image;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return kInvalidImage;
    size_t bytes = header->e_shoff + (size_t)header->e_shentsize * header->e_shnum;
    char path[] = "/tmp/cuda-simulator-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || write(file, image, bytes) != (ssize_t)bytes) return kInvalidImage;
    close(file);
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    if (!library) return kInvalidImage;
    *module = new Module { library };
    return 0;
}
int cuModuleUnload(void* module) { dlclose(((Module*)module)->library); delete (Module*)module; return 0; }
int cuModuleGetFunction(void** function, void* module, const char* name)
{
    CALL("cuModuleGetFunction");
    void* library = ((Module*)module)->library;
    auto run = (void (*)(void**))dlsym(library, (std::string("simulator_run_") + name).c_str());
    auto sizes = (int (*)(size_t*))dlsym(library, (std::string("simulator_sizes_") + name).c_str());
    if (!run || !sizes) return kNotFound;
    auto result = new Function;
    result->run = run;
    result->sizes.resize(256);
    result->sizes.resize(sizes(result->sizes.data()));
    const char* indices[] = { "threadIdx", "blockIdx", "blockDim", "gridDim" };
    for (int i = 0; i < 4; i++) result->indices[i] = (unsigned int (*)[3])dlsym(library, indices[i]);
    result->shared = *(void**)dlsym(library, "simulator_shared");
    result->wait = (void (**)(int))dlsym(library, "simulator_wait");
    result->lane = (void* (**)(int))dlsym(library, "simulator_lane");
    *function = result;
    return 0;
}
int cuFuncGetAttribute(int* value, int what, void*) { CALL("cuFuncGetAttribute"); *value = 1024; return what == 0 ? 0 : kInvalidValue; }
int cuFuncSetAttribute(void* function, int what, int value)
{
    CALL("cuFuncSetAttribute");
    if (what != 8 || value > (163 << 10)) return kInvalidValue;
    ((Function*)function)->max_dynamic_shared = value;
    return 0;
}
int cuLaunchKernel(void* function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared, void*, void** arguments, void**)
{
    CALL("cuLaunchKernel");
    Node node { (Function*)function, { gx, gy, gz }, { bx, by, bz }, shared, {} };
    if (!capturing) return run(node.function, node.grid, node.group, shared, arguments);
    for (size_t i = 0; i < node.function->sizes.size(); i++) node.arguments.emplace_back((char*)arguments[i], (char*)arguments[i] + node.function->sizes[i]);
    capturing->nodes.push_back(std::move(node));
    return 0;
}

int cuStreamBeginCapture_v2(void*, int) { CALL("cuStreamBeginCapture"); capturing = new Graph; return 0; }
int cuStreamEndCapture(void*, void** graph) { *graph = capturing; capturing = nullptr; CALL("cuStreamEndCapture"); return 0; }
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) { CALL("cuGraphInstantiate"); *executable = new Graph(*(Graph*)graph); return 0; }
int cuGraphLaunch(void* executable, void*)
{
    CALL("cuGraphLaunch");
    for (Node& node : ((Graph*)executable)->nodes)
    {
        std::vector<void*> arguments;
        for (auto& argument : node.arguments) arguments.push_back(argument.data());
        if (int code = run(node.function, node.grid, node.group, node.shared, arguments.data())) return code;
    }
    return 0;
}
int cuGraphExecDestroy(void* executable) { delete (Graph*)executable; return 0; }
int cuGraphDestroy(void* graph) { delete (Graph*)graph; return 0; }

int nvrtcVersion(int* major, int* minor) { *major = 12; *minor = 4; return 0; }
const char* nvrtcGetErrorString(int code) { return code == 6 ? "NVRTC_ERROR_COMPILATION" : code == 0 ? "NVRTC_SUCCESS" : "NVRTC_ERROR"; }
int nvrtcGetNumSupportedArchs(int* count) { *count = 3; return 0; }
int nvrtcGetSupportedArchs(int* known) { known[0] = 70; known[1] = 80; known[2] = 90; return 0; }
int nvrtcCreateProgram(void** program, const char* source, const char*, int, const char**, const char**)
{
    CALL("nvrtcCreateProgram");
    *program = new Program { source, "", "" };
    return 0;
}
int nvrtcDestroyProgram(void** program) { delete (Program*)*program; return 0; }
int nvrtcCompileProgram(void* handle, int count, const char** options)
{
    CALL("nvrtcCompileProgram");
    auto program = (Program*)handle;
    std::ostringstream command;
    char folder[] = "/tmp/cuda-simulator-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    std::string base = folder;
    std::string name = kernel_name(program->source);
    std::ofstream(base + "/kernel.cpp") << KERNEL_PRELUDE << "#line 1 \"" << name << ".cu\"\n" << program->source
        << "extern \"C\" void simulator_run_" << name << "(void** arguments) { simulator_run(" << name << ", arguments); }\n"
        << "extern \"C\" int simulator_sizes_" << name << "(size_t* sizes) { return simulator_sizes(" << name << ", sizes); }\n";
    command << CXX << " -std=c++17 -O1 -w -fno-strict-aliasing -fwrapv -ffp-contract=off -shared -fPIC -o " << base << "/kernel.so " << base << "/kernel.cpp";
    for (int i = 0; i < count; i++)
    {
        std::string option = options[i];
        if (option.rfind("--define-macro=", 0) == 0) command << " -D" << option.substr(15);
    }
    command << " 2> " << base << "/log";
    int code = system(command.str().c_str());
    program->log = read_file(base + "/log");
    program->image = read_file(base + "/kernel.so");
    for (const char* file : { "/kernel.cpp", "/kernel.so", "/log" }) unlink((base + file).c_str());
    rmdir(folder);
    return code == 0 ? 0 : 6;
}
int nvrtcGetProgramLogSize(void* program, size_t* bytes) { *bytes = ((Program*)program)->log.size() + 1; return 0; }
int nvrtcGetProgramLog(void* program, char* log) { strcpy(log, ((Program*)program)->log.c_str()); return 0; }
int nvrtcGetCUBINSize(void* program, size_t* bytes) { *bytes = ((Program*)program)->image.size(); return 0; }
int nvrtcGetCUBIN(void* program, char* image) { memcpy(image, ((Program*)program)->image.data(), ((Program*)program)->image.size()); return 0; }
int nvrtcGetPTXSize(void*, size_t*) { return 5; }
int nvrtcGetPTX(void*, char*) { return 5; }

}
