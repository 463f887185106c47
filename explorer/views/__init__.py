"""The pages: scripts that `explorer.app` runs, each thin over queries and charts."""
