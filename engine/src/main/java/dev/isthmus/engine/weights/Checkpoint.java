package dev.isthmus.engine.weights; /** Placeholder. */ public final class Checkpoint { private Checkpoint() {} }
