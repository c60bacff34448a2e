package dev.isthmus.bindings.isthmus; /** Placeholder. */ public final class Placeholder { private Placeholder() {} }
