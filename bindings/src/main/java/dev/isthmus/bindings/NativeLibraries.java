package dev.isthmus.bindings; /** Placeholder. */ public final class NativeLibraries { private NativeLibraries() {} }
