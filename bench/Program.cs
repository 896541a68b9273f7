using BenchmarkDotNet.Running;
using CoInference.Bench;

BenchmarkSwitcher.FromAssembly(typeof(ConvBenchmarks).Assembly).Run(args);
