package dev.isthmus.tools; /** Placeholder. */ public final class Main { private Main() {} }
