package dev.isthmus.bindings.openblas; /** Placeholder. */ public final class Placeholder { private Placeholder() {} }
