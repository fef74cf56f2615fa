"""What a script says: workspaces, experiments and runs under the names of Azure ML SDK v1."""
