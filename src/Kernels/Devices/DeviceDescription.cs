namespace CoInference.Kernels.Devices;

/// <summary>A device that kernels can run on, as <c>coinference devices</c> lists it.</summary>
/// <param name="Id">Name for <c>--device</c>: <c>cpu</c>, <c>opencl:0</c>, <c>cuda:0</c>, <c>ilgpu:0</c>.</param>
/// <param name="Name">The vendor's name of the device.</param>
/// <param name="MemoryBytes">Memory of the device in bytes.</param>
/// <param name="Detail">What else tells devices apart: cores, vector width, driver.</param>
public sealed record DeviceDescription(string Id, string Name, long MemoryBytes, string Detail);
