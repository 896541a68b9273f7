using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>Judges plans by running them: pruned, re-fitted, split, through the codec and back, on labelled images.</summary>
public sealed class PlanJudge
{
    private readonly PlanCompiler _compiler;
    private readonly EvaluationOptions _options;

    /// <summary>Creates a judge.</summary>
    /// <param name="compiler">Compiles plans.</param>
    /// <param name="threads">Images that are worked on at a time.</param>
    /// <param name="precise">As <see cref="EvaluationOptions.Precise"/>.</param>
    public PlanJudge(PlanCompiler compiler, int threads, bool precise = false)
    {
        _compiler = compiler;
        _options = new EvaluationOptions { Preprocessing = compiler.Preprocessing, Workers = threads, Precise = precise };
    }

    /// <summary>Accuracy of a plan on a set of images.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public double Accuracy(Plan plan, ImageSet images, CancellationToken cancellation) => Accuracy(_compiler.Compile(plan, cancellation), images, cancellation);

    /// <summary>Accuracy of a bundle on a set of images.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public double Accuracy(Bundle bundle, ImageSet images, CancellationToken cancellation) =>
        (bundle switch
        {
            { Device: { } device, Edge: { } edge } => Evaluator.Evaluate(device, bundle.Codec, edge, images, _options, cancellation),
            { Device: { } device } => Evaluator.Evaluate(device, images, _options, cancellation),
            _ => Evaluator.Evaluate(bundle.Edge!, bundle.Plan.InputCoding == InputCoding.Jpeg ? JpegCodec.RoundTrip(images, bundle.Plan.JpegQuality) : images, _options, cancellation),
        }).Top1;
}
