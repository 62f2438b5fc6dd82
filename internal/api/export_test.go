package api

// Deadlines is the wrapper of Server with other limits.
var Deadlines = deadlines
