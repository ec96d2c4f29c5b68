"""Files of this user and this process: private directories, locks, pipes."""
