using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// The memory of one session: every value's place in one buffer, planned from the steps in which it is alive, and one
/// scratch area shared by all steps.
/// </summary>
internal static class Arena
{
    /// <summary>
    /// Merges what may overwrite its input and gives every storage its offset: largest first, each at the lowest place
    /// that no storage alive at the same time occupies.
    /// </summary>
    /// <returns>Bytes of the buffer in host memory, scratch excluded, and of that in device memory.</returns>
    public static (long Host, long Device) Plan(ExecutionPlan plan)
    {
        List<Storage> storages = Lifetimes(plan);
        OverwriteInputs(plan);
        return (Place([.. storages.Where(storage => !storage.IsOnDevice)]), Place([.. storages.Where(storage => storage.IsOnDevice)]));
    }

    /// <summary>Rounds up to a cache line and adds one, so that neighbours never share a line.</summary>
    public static long Padded(long bytes) => ((bytes + AlignedBuffer.Alignment - 1) / AlignedBuffer.Alignment + 1) * AlignedBuffer.Alignment;

    private static long Place(List<Storage> storages)
    {
        var roots = new List<Storage>(storages.Count);
        foreach (Storage storage in storages)
        {
            if (storage.Root == storage) roots.Add(storage);
        }

        roots.Sort((a, b) => b.Bytes.CompareTo(a.Bytes));
        var placed = new List<Storage>(roots.Count);
        long total = 0;
        foreach (Storage storage in roots)
        {
            long offset = 0;
            foreach (Storage other in placed)
            {
                bool together = storage.FirstStep <= other.LastStep && other.FirstStep <= storage.LastStep;
                if (together && offset < End(other) && other.Offset < offset + Padded(storage.Bytes)) offset = End(other);
            }

            storage.Offset = offset;
            placed.Insert(placed.FindIndex(other => other.Offset > offset) is var at && at < 0 ? placed.Count : at, storage);
            total = Math.Max(total, End(storage));
        }

        return total;
    }

    private static long End(Storage storage) => storage.Offset + Padded(storage.Bytes);

    private static List<Storage> Lifetimes(ExecutionPlan plan)
    {
        var seen = new HashSet<Storage>();
        var storages = new List<Storage>();
        void Use(PhysicalValue value, int step)
        {
            if (value.Storage.Root.Constant is not null) return;
            value.Storage.Use(value.Bytes, step);
            if (seen.Add(value.Storage.Root)) storages.Add(value.Storage.Root);
        }

        foreach (PhysicalValue input in plan.Inputs) Use(input, -1);
        for (int step = 0; step < plan.Steps.Count; step++)
        {
            foreach (PhysicalValue input in plan.Steps[step].Inputs) Use(input, step);
            foreach (PhysicalValue output in plan.Steps[step].Outputs) Use(output, step);
        }

        foreach (PhysicalValue output in plan.Outputs) Use(output, plan.Steps.Count);
        return storages;
    }

    private static void OverwriteInputs(ExecutionPlan plan)
    {
        for (int index = 0; index < plan.Steps.Count; index++)
        {
            PlannedStep step = plan.Steps[index];
            if (step.Outputs.Length != 1) continue;
            for (int i = 0; i < step.Inputs.Length; i++)
            {
                Storage storage = step.Inputs[i].Storage.Root;
                if (!step.Operation.MayOverwrite(i) || storage.Constant is not null || storage.LastStep != index) continue;
                if (storage.IsOnDevice != step.Outputs[0].Storage.IsOnDevice) continue;
                if (step.Inputs[i].Layout != step.Outputs[0].Layout || storage.Bytes < step.Outputs[0].Bytes) continue;
                if (step.Inputs.Where((_, other) => other != i).Any(other => other.Storage.Root == storage)) continue;
                storage.Merge(step.Outputs[0].Storage);
                break;
            }
        }
    }
}
