export class neigh_table {}
