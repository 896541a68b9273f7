using System.Runtime.InteropServices;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>The functions of the CUDA driver that this project calls, found when first needed; a machine without the driver has no such devices.</summary>
internal sealed unsafe class CudaApi
{
    public readonly delegate* unmanaged<uint, int> Init;
    public readonly delegate* unmanaged<int*, int> DriverGetVersion;
    public readonly delegate* unmanaged<int, byte**, int> GetErrorName;
    public readonly delegate* unmanaged<int*, int> DeviceGetCount;
    public readonly delegate* unmanaged<int*, int, int> DeviceGet;
    public readonly delegate* unmanaged<byte*, int, int, int> DeviceGetName;
    public readonly delegate* unmanaged<nuint*, int, int> DeviceTotalMem;
    public readonly delegate* unmanaged<int*, int, int, int> DeviceGetAttribute;
    public readonly delegate* unmanaged<nint*, int, int> DevicePrimaryCtxRetain;
    public readonly delegate* unmanaged<int, int> DevicePrimaryCtxRelease;
    public readonly delegate* unmanaged<nint, int> CtxSetCurrent;
    public readonly delegate* unmanaged<nint*, nuint, int> MemAlloc;
    public readonly delegate* unmanaged<nint, int> MemFree;
    public readonly delegate* unmanaged<void**, nuint, uint, int> MemHostAlloc;
    public readonly delegate* unmanaged<void*, int> MemFreeHost;
    public readonly delegate* unmanaged<nint, void*, nuint, nint, int> MemcpyHtoDAsync;
    public readonly delegate* unmanaged<void*, nint, nuint, nint, int> MemcpyDtoHAsync;
    public readonly delegate* unmanaged<nint*, uint, int> StreamCreate;
    public readonly delegate* unmanaged<nint, int> StreamDestroy;
    public readonly delegate* unmanaged<nint, int> StreamSynchronize;
    public readonly delegate* unmanaged<nint*, void*, int> ModuleLoadData;
    public readonly delegate* unmanaged<nint, int> ModuleUnload;
    public readonly delegate* unmanaged<nint*, nint, byte*, int> ModuleGetFunction;
    public readonly delegate* unmanaged<int*, int, nint, int> FuncGetAttribute;
    public readonly delegate* unmanaged<nint, int, int, int> FuncSetAttribute;
    public readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> LaunchKernel;
    public readonly delegate* unmanaged<nint*, uint, int> EventCreate;
    public readonly delegate* unmanaged<nint, int> EventDestroy;
    public readonly delegate* unmanaged<nint, nint, int> EventRecord;
    public readonly delegate* unmanaged<nint, int> EventSynchronize;
    public readonly delegate* unmanaged<float*, nint, nint, int> EventElapsedTime;
    public readonly delegate* unmanaged<nint, int, int> StreamBeginCapture;
    public readonly delegate* unmanaged<nint, nint*, int> StreamEndCapture;
    public readonly delegate* unmanaged<nint*, nint, ulong, int> GraphInstantiateWithFlags;
    public readonly delegate* unmanaged<nint, nint, int> GraphLaunch;
    public readonly delegate* unmanaged<nint, int> GraphExecDestroy;
    public readonly delegate* unmanaged<nint, int> GraphDestroy;

    private static readonly Lazy<CudaApi?> Loaded = new(() => Names.Select(Load).FirstOrDefault(api => api is not null));

    private CudaApi(nint library)
    {
        Init = (delegate* unmanaged<uint, int>)Export(library, "cuInit");
        DriverGetVersion = (delegate* unmanaged<int*, int>)Export(library, "cuDriverGetVersion");
        GetErrorName = (delegate* unmanaged<int, byte**, int>)Export(library, "cuGetErrorName");
        DeviceGetCount = (delegate* unmanaged<int*, int>)Export(library, "cuDeviceGetCount");
        DeviceGet = (delegate* unmanaged<int*, int, int>)Export(library, "cuDeviceGet");
        DeviceGetName = (delegate* unmanaged<byte*, int, int, int>)Export(library, "cuDeviceGetName");
        DeviceTotalMem = (delegate* unmanaged<nuint*, int, int>)Export(library, "cuDeviceTotalMem_v2");
        DeviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)Export(library, "cuDeviceGetAttribute");
        DevicePrimaryCtxRetain = (delegate* unmanaged<nint*, int, int>)Export(library, "cuDevicePrimaryCtxRetain");
        DevicePrimaryCtxRelease = (delegate* unmanaged<int, int>)Export(library, "cuDevicePrimaryCtxRelease_v2");
        CtxSetCurrent = (delegate* unmanaged<nint, int>)Export(library, "cuCtxSetCurrent");
        MemAlloc = (delegate* unmanaged<nint*, nuint, int>)Export(library, "cuMemAlloc_v2");
        MemFree = (delegate* unmanaged<nint, int>)Export(library, "cuMemFree_v2");
        MemHostAlloc = (delegate* unmanaged<void**, nuint, uint, int>)Export(library, "cuMemHostAlloc");
        MemFreeHost = (delegate* unmanaged<void*, int>)Export(library, "cuMemFreeHost");
        MemcpyHtoDAsync = (delegate* unmanaged<nint, void*, nuint, nint, int>)Export(library, "cuMemcpyHtoDAsync_v2");
        MemcpyDtoHAsync = (delegate* unmanaged<void*, nint, nuint, nint, int>)Export(library, "cuMemcpyDtoHAsync_v2");
        StreamCreate = (delegate* unmanaged<nint*, uint, int>)Export(library, "cuStreamCreate");
        StreamDestroy = (delegate* unmanaged<nint, int>)Export(library, "cuStreamDestroy_v2");
        StreamSynchronize = (delegate* unmanaged<nint, int>)Export(library, "cuStreamSynchronize");
        ModuleLoadData = (delegate* unmanaged<nint*, void*, int>)Export(library, "cuModuleLoadData");
        ModuleUnload = (delegate* unmanaged<nint, int>)Export(library, "cuModuleUnload");
        ModuleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)Export(library, "cuModuleGetFunction");
        FuncGetAttribute = (delegate* unmanaged<int*, int, nint, int>)Export(library, "cuFuncGetAttribute");
        FuncSetAttribute = (delegate* unmanaged<nint, int, int, int>)Export(library, "cuFuncSetAttribute");
        LaunchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)Export(library, "cuLaunchKernel");
        EventCreate = (delegate* unmanaged<nint*, uint, int>)Export(library, "cuEventCreate");
        EventDestroy = (delegate* unmanaged<nint, int>)Export(library, "cuEventDestroy_v2");
        EventRecord = (delegate* unmanaged<nint, nint, int>)Export(library, "cuEventRecord");
        EventSynchronize = (delegate* unmanaged<nint, int>)Export(library, "cuEventSynchronize");
        EventElapsedTime = (delegate* unmanaged<float*, nint, nint, int>)Export(library, "cuEventElapsedTime");
        StreamBeginCapture = (delegate* unmanaged<nint, int, int>)Export(library, "cuStreamBeginCapture_v2");
        StreamEndCapture = (delegate* unmanaged<nint, nint*, int>)Export(library, "cuStreamEndCapture");
        GraphInstantiateWithFlags = (delegate* unmanaged<nint*, nint, ulong, int>)Export(library, "cuGraphInstantiateWithFlags");
        GraphLaunch = (delegate* unmanaged<nint, nint, int>)Export(library, "cuGraphLaunch");
        GraphExecDestroy = (delegate* unmanaged<nint, int>)Export(library, "cuGraphExecDestroy");
        GraphDestroy = (delegate* unmanaged<nint, int>)Export(library, "cuGraphDestroy");
    }

    /// <summary>The driver; null on a machine without one, or with one older than CUDA 11.4.</summary>
    public static CudaApi? Instance => Loaded.Value;

    private static string[] Names => OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

    /// <summary>Loads a driver by the name or path of its library.</summary>
    /// <returns>null when there is none, or it lacks a function.</returns>
    public static CudaApi? Load(string name)
    {
        if (!NativeLibrary.TryLoad(name, out nint library)) return null;
        try
        {
            return new CudaApi(library);
        }
        catch (EntryPointNotFoundException)
        {
            NativeLibrary.Free(library);
            return null;
        }
    }

    /// <summary>The name of a return code: <c>CUDA_ERROR_OUT_OF_MEMORY</c>.</summary>
    public string Name(int code)
    {
        byte* name;
        return GetErrorName(code, &name) == 0 ? Marshal.PtrToStringUTF8((nint)name) ?? "" : "unknown";
    }

    private static nint Export(nint library, string name) => NativeLibrary.GetExport(library, name);
}
