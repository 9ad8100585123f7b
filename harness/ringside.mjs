#!/usr/bin/env node
// The installed command. Sources are TypeScript and stay so: tsx, found from here whatever the working directory is, loads them.
import { register } from 'tsx/esm/api';

register();
await import('./cli.ts');
