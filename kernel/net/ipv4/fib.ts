export class fib_tables {}
