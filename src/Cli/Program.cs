using CoInference.Cli;

return await Application.RunAsync(args).ConfigureAwait(false);
