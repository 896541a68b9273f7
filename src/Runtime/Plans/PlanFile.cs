namespace CoInference.Runtime.Plans;

/// <summary>Reads and writes plan files (<c>coinference.plan/1</c>). What is read, and what is written, has been validated.</summary>
public static class PlanFile
{
    /// <summary>Reads a plan.</summary>
    /// <exception cref="InvalidDataException">Not a valid plan; the message names the file, the field and what was expected.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Plan Read(string path) => Parse(SchemaFile.ReadBytes(path), path);

    /// <summary>Reads a plan from memory.</summary>
    /// <param name="utf8">The JSON text.</param>
    /// <param name="name">What messages call the plan: its path.</param>
    /// <exception cref="InvalidDataException">Not a valid plan; the message names it, the field and what was expected.</exception>
    public static Plan Parse(ReadOnlySpan<byte> utf8, string name)
    {
        Plan plan = SchemaFile.Parse(utf8, name, Plan.SchemaName, PlanJson.Default.Plan);
        PlanValidation.Check(plan, name);
        return plan;
    }

    /// <summary>The plan as JSON text; the same plan always gives the same bytes.</summary>
    /// <exception cref="InvalidDataException">The plan is not valid: it could not be read back.</exception>
    public static byte[] Serialize(Plan plan)
    {
        PlanValidation.Check(plan, "plan");
        return SchemaFile.Serialize(plan, PlanJson.Default.Plan);
    }

    /// <summary>Writes a plan; see <see cref="AtomicFile"/>.</summary>
    /// <exception cref="InvalidDataException">The plan is not valid: it could not be read back.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, Plan plan) => AtomicFile.WriteBytes(path, Serialize(plan));
}
