"""AI Forge's trainer: the commands starter, train, evaluate and export, run as a child process of the GPU agent."""
