using BenchmarkDotNet.Running;
using CoInference.Bench;

if (args is [TrainingSteps.Name, ..]) return TrainingSteps.Run(args.AsSpan(1));
BenchmarkSwitcher.FromAssembly(typeof(ConvBenchmarks).Assembly).Run(args);
return 0;
