package dev.isthmus.bench; /** Placeholder. */ public final class Placeholder { private Placeholder() {} }
