using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A value in one layout, in memory.</summary>
internal sealed record PhysicalValue(PlanValue Value, ActivationLayout Layout, Storage Storage)
{
    public long Bytes => Value.Bytes(Layout);
}

/// <summary>
/// A stretch of the arena, or memory of its own for a constant. Values that share bytes share one storage: storages
/// are merged when a value is a view of another or overwrites it.
/// </summary>
internal sealed class Storage
{
    private Storage? _mergedInto;
    private long _bytes;
    private int _firstStep = int.MaxValue;
    private int _lastStep = int.MinValue;
    private long _offset = -1;

    /// <summary>The values of a constant, row-major; null for memory in the arena.</summary>
    public Tensor? Constant { get; init; }

    /// <summary>Whether the memory is that of the session's device.</summary>
    public bool IsOnDevice { get; init; }

    /// <summary>The storage that stands for this one and all merged with it.</summary>
    public Storage Root => _mergedInto is null ? this : _mergedInto = _mergedInto.Root;

    /// <summary>Size in bytes.</summary>
    public long Bytes => Root._bytes;

    /// <summary>First step that needs the memory; -1 when it is filled before the first step.</summary>
    public int FirstStep => Root._firstStep;

    /// <summary>Last step that needs the memory; the number of steps when it is read after the last.</summary>
    public int LastStep => Root._lastStep;

    /// <summary>Place in the arena in bytes.</summary>
    public long Offset
    {
        get => Root._offset;
        set => Root._offset = value;
    }

    /// <summary>Extends the size and the life.</summary>
    public void Use(long bytes, int step)
    {
        Storage root = Root;
        root._bytes = Math.Max(root._bytes, bytes);
        root._firstStep = Math.Min(root._firstStep, step);
        root._lastStep = Math.Max(root._lastStep, step);
    }

    /// <summary>Makes <paramref name="other"/> the same memory as this.</summary>
    public void Merge(Storage other)
    {
        Storage root = Root;
        Storage absorbed = other.Root;
        if (root == absorbed) return;
        root._bytes = Math.Max(root._bytes, absorbed._bytes);
        root._firstStep = Math.Min(root._firstStep, absorbed._firstStep);
        root._lastStep = Math.Max(root._lastStep, absorbed._lastStep);
        absorbed._mergedInto = root;
    }
}
